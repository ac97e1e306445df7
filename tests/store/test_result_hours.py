"""Results summed up by hour."""

import dataclasses

import pytest

from lwm2m_ml.store import Store
from lwm2m_ml.store.result_hours import HOUR, ClassHour
from lwm2m_ml.store.results import ResultRecord

BASE = ResultRecord("a", "motion", 1, 0, confidence=80.0, latency=2.0, version="1.0.0", slot=0, received_at=10.0)


async def fill(store: Store) -> None:
    rows = [
        BASE,
        dataclasses.replace(BASE, number=2, confidence=60.0, latency=4.0, lost=3),
        dataclasses.replace(BASE, number=3, class_index=1, confidence=None, latency=None),
        dataclasses.replace(BASE, endpoint="b", number=1, confidence=50.0),
        dataclasses.replace(BASE, endpoint="b", number=2, received_at=HOUR + 5.0),
        dataclasses.replace(BASE, model="digits", number=9, energy=0.5),
    ]
    await store.results.add_all(rows)


FIRST = ClassHour(0, "motion", "1.0.0", 0, 3, 3, 190 / 3, 8 / 3, 4.0, None)
SECOND = ClassHour(0, "motion", "1.0.0", 1, 1, 0, None, None, None, None)
THIRD = ClassHour(HOUR, "motion", "1.0.0", 0, 1, 0, 80.0, 2.0, 2.0, None)


@pytest.mark.parametrize("stored", [(), (0,), (0, HOUR)])
async def test_sums_are_the_same_whether_stored_or_made_on_the_way(store: Store, stored: tuple[int, ...]) -> None:
    await fill(store)
    for hour in stored:
        await store.result_hours.sum_up(hour)
    assert await store.result_hours.series(0, 2 * HOUR, model="motion") == (FIRST, SECOND, THIRD)


async def test_a_device_or_a_time_alone(store: Store) -> None:
    await fill(store)
    await store.result_hours.sum_up(0)
    found = await store.result_hours.series(0, 2 * HOUR, endpoint="b")
    assert [(one.hour, one.results) for one in found] == [(0, 1), (HOUR, 1)]
    assert [one.hour for one in await store.result_hours.series(HOUR, 2 * HOUR)] == [HOUR]
    assert [one.model for one in await store.result_hours.series(0, HOUR, version="1.0.0")] == ["digits"] + [
        "motion"
    ] * 2


async def test_summing_up_again_takes_late_results_in(store: Store) -> None:
    await fill(store)
    await store.result_hours.sum_up(0)
    await store.results.add(dataclasses.replace(BASE, number=4, confidence=80.0, latency=2.0))
    await store.result_hours.sum_up(0)
    (first, *_) = await store.result_hours.series(0, HOUR, model="motion")
    assert first.results == 4


async def test_sums_outlive_their_results(store: Store) -> None:
    await fill(store)
    await store.result_hours.sum_up(0)
    await store.results.delete_before(HOUR)
    assert [one.results for one in await store.result_hours.series(0, HOUR, model="motion")] == [3, 1]
    await store.result_hours.delete_before(HOUR)
    assert await store.result_hours.series(0, HOUR, model="motion") == ()
