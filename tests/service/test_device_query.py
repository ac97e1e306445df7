"""Finding devices: pages together are what sorting and filtering everything gives."""

import asyncio
from fnmatch import fnmatchcase
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.service.device_query import DeviceOrder, DeviceQuery, Place, select

Told = tuple[str, int, int]
DEVICES = st.lists(
    st.tuples(st.text("ab", min_size=1, max_size=5), st.integers(0, 5), st.integers(0, 5)),
    unique_by=lambda told: told[0],
    max_size=40,
)
NO_PEER: Any = None


def registration(told: Told) -> Registration:
    endpoint, registered_at, updated_at = told
    parameters = RegistrationParameters(None, objects={(3, 0): "1.0", (len(endpoint), 0): "1.0"})
    return Registration(endpoint, f"at-{endpoint}", parameters, None, NO_PEER, float(registered_at), float(updated_at))


async def pages(devices: tuple[Registration, ...], query: DeviceQuery, limit: int) -> list[str]:
    """All that is found, page by page."""
    found: list[str] = []
    after: Place | None = None
    while page := await select(devices, lambda _: None, query, after=after, limit=limit):
        assert len(page) <= limit
        found += [one.endpoint for one in page]
        after = query.place_of(page[-1])
    return found


@given(
    DEVICES,
    st.sampled_from(DeviceOrder),
    st.booleans(),
    st.integers(1, 6),
    st.sampled_from(["", "a*", "*b", "??"]),
    st.one_of(st.none(), st.integers(0, 5)),
    st.one_of(st.none(), st.integers(0, 6)),
)
def test_pages_together_are_everything_sorted_and_filtered(
    told: list[Told],
    order: DeviceOrder,
    descending: bool,
    limit: int,
    pattern: str,
    object_id: int | None,
    since: int | None,
) -> None:
    query = DeviceQuery(
        endpoint=pattern,
        object_id=object_id,
        seen_since=None if since is None else float(since),
        order=order,
        descending=descending,
    )
    place = {DeviceOrder.ENDPOINT: 0, DeviceOrder.REGISTERED_AT: 1, DeviceOrder.LAST_SEEN: 2}[order]
    expected = [
        one[0]
        for one in sorted(told, key=lambda one: (one[place], one[0]), reverse=descending)
        if fnmatchcase(one[0], pattern or "*")
        and object_id in {None, 3, len(one[0])}
        and (since is None or one[2] >= since)
    ]
    with mock.patch("lwm2m_ml.service.device_query.DEVICES_PER_TURN", 3):
        assert asyncio.run(pages(tuple(map(registration, told)), query, limit)) == expected
