"""The C header for devices, and where it is."""

import pathlib

HEADER = pathlib.Path(__file__).parent / "lwm2m_ml_module.h"
