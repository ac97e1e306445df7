"""Events between parts of the service: in memory, each subscriber with a bounded queue of its own."""

from lwm2m_ml.bus.bus import Bus
from lwm2m_ml.bus.subscription import Subscription

__all__ = ["Bus", "Subscription"]
