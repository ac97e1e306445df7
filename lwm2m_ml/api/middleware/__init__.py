"""What every request passes on its way to a route, outermost first: see `lwm2m_ml.api.app`."""
