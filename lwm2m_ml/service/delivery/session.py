"""What every step of a delivery needs to speak with its device."""

from dataclasses import dataclass

from lwm2m_ml.service.delivery.signals import Watch
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.device_access import DeliveryAccess


@dataclass(frozen=True, slots=True)
class Session:
    """One device, the way to it, how to be woken by it, and how patient to be."""

    endpoint: str
    access: DeliveryAccess
    watch: Watch
    model_object: int
    timing: DeliveryTiming
