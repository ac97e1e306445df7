"""Finding devices among many: conditions, an order, and a place in it to go on from."""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from lwm2m_ml.server.registration import Registration
from lwm2m_ml.service.profiles import CapabilityProfile

DEVICES_PER_TURN = 2_000
"""Devices looked at before others get their turn: a few milliseconds."""

Place = tuple[str | float, str]


class DeviceOrder(StrEnum):
    """What devices are listed by; the endpoint decides where that is the same."""

    ENDPOINT = "endpoint"
    REGISTERED_AT = "registered_at"
    LAST_SEEN = "last_seen"


@dataclass(frozen=True, slots=True)
class DeviceQuery:
    """Which devices, in which order. Texts are patterns (`sensor-*`); what is empty or None does not matter."""

    endpoint: str = ""
    target: str = ""
    manufacturer: str = ""
    model_number: str = ""
    binding: str = ""
    lwm2m_version: str = ""
    object_id: int | None = None
    seen_since: float | None = None
    seen_before: float | None = None
    order: DeviceOrder = DeviceOrder.ENDPOINT
    descending: bool = False

    def place(self, endpoint: str, registered_at: float, last_seen: float) -> Place:
        """Where a device stands in the order."""
        if self.order is DeviceOrder.ENDPOINT:
            return endpoint, endpoint
        return registered_at if self.order is DeviceOrder.REGISTERED_AT else last_seen, endpoint

    def takes(self, registration: Registration, profile: CapabilityProfile | None) -> bool:
        """Whether a device is meant."""
        parameters = registration.parameters
        texts = ((self.endpoint, registration.endpoint), (self.lwm2m_version, parameters.version))
        return (
            all(not pattern or fnmatchcase(text, pattern) for pattern, text in texts)
            and (not self.binding or self.binding in parameters.binding)
            and (self.object_id is None or any(key[0] == self.object_id for key in parameters.objects))
            and (self.seen_since is None or registration.updated_at >= self.seen_since)
            and (self.seen_before is None or registration.updated_at < self.seen_before)
            and all(not pattern or fnmatchcase(text, pattern) for pattern, text in self._of_profile(profile))
        )

    def _of_profile(self, profile: CapabilityProfile | None) -> Iterator[tuple[str, str]]:
        if self.target:
            yield self.target, "" if profile is None or profile.runtime is None else profile.runtime.target
        if self.manufacturer:
            yield self.manufacturer, "" if profile is None else profile.identity.manufacturer
        if self.model_number:
            yield self.model_number, "" if profile is None else profile.identity.model_number


async def select(
    registrations: tuple[Registration, ...],
    profile: Callable[[str], CapabilityProfile | None],
    query: DeviceQuery,
    *,
    after: Place | None,
    limit: int,
) -> list[Registration]:
    """The first `limit` of the devices that a query means, from after a place on; others get their turn in between."""
    found: list[tuple[Place, Registration]] = []
    for start in range(0, len(registrations), DEVICES_PER_TURN):
        for registration in registrations[start : start + DEVICES_PER_TURN]:
            place = query.place(registration.endpoint, registration.registered_at, registration.updated_at)
            if after is not None and (place >= after if query.descending else place <= after):
                continue
            if query.takes(registration, profile(registration.endpoint)):
                found.append((place, registration))
        await asyncio.sleep(0)
    choose = heapq.nlargest if query.descending else heapq.nsmallest
    return [registration for _, registration in choose(limit, found, key=lambda one: one[0])]
