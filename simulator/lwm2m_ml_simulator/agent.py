"""An LwM2M device in a few lines: what a Python program needs to become one, in one place.

Make a subclass of `ObjectInstance` with a method for each resource, hand instances of it to `Lwm2mClient`, and use that
as an async context manager. `docs/simulator.md` has an example.
"""

from lwm2m_ml.lwm2m.bootstrap import Account
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import RadioSettings
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, executable, readable, writable

__all__ = [
    "Account",
    "Arguments",
    "Conditions",
    "Lwm2mClient",
    "ObjectInstance",
    "RadioSettings",
    "Record",
    "executable",
    "readable",
    "writable",
]
