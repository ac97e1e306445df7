"""Events between parts of the service: in memory, each subscriber with a bounded queue of its own."""

from lwm2m_ml.bus.bus import Bus
from lwm2m_ml.bus.ownership import NotOwner, Ownership, OwnershipGained, OwnershipLost, ProcessLost, SoleOwner
from lwm2m_ml.bus.subscription import Subscription

__all__ = [
    "Bus",
    "NotOwner",
    "Ownership",
    "OwnershipGained",
    "OwnershipLost",
    "ProcessLost",
    "SoleOwner",
    "Subscription",
]
