"""Finding devices among many: conditions, an order, and a place in it to go on from."""

import asyncio
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate

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


ATTRIBUTES = {
    DeviceOrder.ENDPOINT: "endpoint",
    DeviceOrder.REGISTERED_AT: "registered_at",
    DeviceOrder.LAST_SEEN: "updated_at",
}
Condition = Callable[[Registration, CapabilityProfile | None], bool]
Text = Callable[[Registration, CapabilityProfile | None], str]


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
    where: Callable[[str], bool] | None = None
    """Whether an endpoint is meant, by what others know of it."""
    order: DeviceOrder = DeviceOrder.ENDPOINT
    descending: bool = False

    @property
    def place_of(self) -> Callable[[Registration], Place]:
        """What tells where a device stands in the order."""
        return operator.attrgetter(ATTRIBUTES[self.order], "endpoint")

    def conditions(self) -> list[Condition]:
        """What a device has to fulfil; nothing for what does not matter."""
        texts: list[tuple[str, Text]] = [
            (self.endpoint, lambda one, _: one.endpoint),
            (self.lwm2m_version, lambda one, _: one.parameters.version),
            (self.target, _target),
            (self.manufacturer, lambda _, profile: profile.identity.manufacturer if profile else ""),
            (self.model_number, lambda _, profile: profile.identity.model_number if profile else ""),
        ]
        conditions = [_fits(pattern, text) for pattern, text in texts if pattern]
        if self.binding:
            conditions.append(lambda one, _: self.binding in one.parameters.binding)
        if self.object_id is not None:
            conditions.append(lambda one, _: any(key[0] == self.object_id for key in one.parameters.objects))
        since, before = self.seen_since, self.seen_before
        if since is not None:
            conditions.append(lambda one, _: one.updated_at >= since)
        if before is not None:
            conditions.append(lambda one, _: one.updated_at < before)
        where = self.where
        if where is not None:
            conditions.append(lambda one, _: where(one.endpoint))
        return conditions


def _fits(pattern: str, text: Text) -> Condition:
    fits = re.compile(translate(pattern)).match
    return lambda one, profile: fits(text(one, profile)) is not None


def _target(_: Registration, profile: CapabilityProfile | None) -> str:
    return "" if profile is None or profile.runtime is None else profile.runtime.target


async def select(
    registrations: tuple[Registration, ...],
    profile: Callable[[str], CapabilityProfile | None],
    query: DeviceQuery,
    *,
    after: Place | None,
    limit: int,
) -> list[Registration]:
    """The first `limit` of the devices that a query means, from after a place on; others get their turn in between.

    Once a page is full, whoever stands behind its last device is passed over by a look at one attribute.
    """
    conditions, place, attribute = query.conditions(), query.place_of, operator.attrgetter(ATTRIBUTES[query.order])
    is_left, may_be_left = (operator.lt, operator.le) if query.descending else (operator.gt, operator.ge)
    fits = operator.ge if query.descending else operator.le
    found: list[tuple[Place, Registration]] = []
    for part in _parts(registrations, backwards=query.descending):
        left = part
        if after is not None:
            left = [one for one in left if may_be_left(attribute(one), after[0])]
        if len(found) == limit:
            last = found[-1][0][0]
            left = [one for one in left if fits(attribute(one), last)]
        for condition in conditions:
            left = [one for one in left if condition(one, profile(one.endpoint))]
        placed = [(place(one), one) for one in left]
        if after is not None:
            placed = [one for one in placed if is_left(one[0], after)]
        if placed:
            found = sorted([*found, *placed], key=operator.itemgetter(0), reverse=query.descending)[:limit]
        await asyncio.sleep(0)
    return [registration for _, registration in found]


def _parts(registrations: tuple[Registration, ...], *, backwards: bool) -> Iterator[Sequence[Registration]]:
    """Some devices at a time; those that registered last come first where the greatest are wanted."""
    whole = registrations[::-1] if backwards else registrations
    for start in range(0, len(whole), DEVICES_PER_TURN):
        yield whole[start : start + DEVICES_PER_TURN]
