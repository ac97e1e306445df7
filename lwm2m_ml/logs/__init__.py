"""The log of a running service: structlog, on stderr, for people or as JSON lines."""

from lwm2m_ml.logs.configuration import configure_logging

__all__ = ["configure_logging"]
