"""The ways a package can take to a device: an object to deliver with, and who moves the bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml.service.delivery.firmware_update import FirmwareUpdate
from lwm2m_ml.service.delivery.model_configuration import ModelConfiguration
from lwm2m_ml.service.delivery.road import Road
from lwm2m_ml.service.delivery.slots import NoSlotError, Slot, choose_slot
from lwm2m_ml.service.delivery.software_management import SoftwareManagement
from lwm2m_ml.service.delivery.transfer import Transfer, Urgency
from lwm2m_ml.service.device_access import DeliveryAccess
from lwm2m_ml.service.resources import FIRMWARE_UPDATE_OBJECT, MODEL_CONFIGURATION_OBJECT, SOFTWARE_MANAGEMENT_OBJECT

ROADS: Mapping[int, Callable[[Slot, bytes], Road]] = {
    SOFTWARE_MANAGEMENT_OBJECT: SoftwareManagement,
    MODEL_CONFIGURATION_OBJECT: ModelConfiguration,
    FIRMWARE_UPDATE_OBJECT: FirmwareUpdate,
}
"""How to drive each delivery object, in the order in which they are tried: what needs no reboot first."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a device."""

    road: Road
    transfer: Transfer

    @property
    def name(self) -> str:
        """What experience is kept under, for example `9 pull`."""
        return f"{self.road.slot.delivery_object} {self.transfer}"


async def possible_ways(
    access: DeliveryAccess,
    endpoint: str,
    slots: Sequence[Slot],
    digest: bytes,
    *,
    http: bool,
    urgency: Urgency = Urgency(),  # noqa: B008 - frozen
) -> tuple[Way, ...]:
    """Return what a device offers, best first; raises `NoSlotError` when no slot can be used.

    A module that is in a slot already has no other way. `http`: whether packages are served over HTTP.
    """
    best = choose_slot(slots, digest)
    chosen = {best.delivery_object: best}
    if not best.status.holds(digest):
        for object_id in ROADS:
            others = [slot for slot in slots if slot.delivery_object == object_id]
            if object_id not in chosen and others and not all(slot.in_use for slot in others):
                chosen[object_id] = choose_slot(others)
    ways: list[Way] = []
    for slot in chosen.values():
        road = ROADS[slot.delivery_object](slot, digest)
        road.urgency = urgency
        for transfer in await road.transfers(access, endpoint):
            if http or transfer is not Transfer.PULL_HTTP:
                ways.append(Way(road, transfer))
    if not ways:
        raise NoSlotError("the device fetches over HTTP only", hint="Set package_url, where packages are served so")
    return tuple(ways)
