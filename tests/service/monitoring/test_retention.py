"""Old results become sums, and old sums are forgotten."""

import asyncio
import dataclasses

import pytest

from lwm2m_ml.service.monitoring.retention import DAY, Retention
from lwm2m_ml.store import Store
from lwm2m_ml.store.result_hours import HOUR
from lwm2m_ml.store.results import ResultRecord

NOW = 400_000 * HOUR + 1_800.0
BASE = ResultRecord("a", "motion", 1, 0, version="1.0.0", slot=0)


@pytest.fixture
def retention(store: Store) -> Retention:
    return Retention(store.results, store.result_hours, result_days=2, hour_days=10)


async def add(store: Store, *ages: float) -> None:
    await store.results.add_all(
        [dataclasses.replace(BASE, number=number, received_at=NOW - age) for number, age in enumerate(ages)]
    )


async def total(store: Store) -> int:
    return sum(one.results for one in await store.result_hours.series(0, int(NOW) + HOUR))


async def test_every_whole_hour_is_summed_up_once_and_the_present_one_on_the_way(
    retention: Retention, store: Store
) -> None:
    await add(store, 60.0, 2 * HOUR, 5 * HOUR, 40 * HOUR)
    await retention.run_once(NOW)
    assert await total(store) == 4
    await retention.run_once(NOW)
    assert await total(store) == 4


async def test_results_that_came_while_the_server_was_away_are_caught_up_with(
    retention: Retention, store: Store
) -> None:
    await add(store, 30 * HOUR)
    await retention.run_once(NOW - 25 * HOUR)
    await add(store, 20 * HOUR, 10 * HOUR)
    await retention.run_once(NOW)
    assert await total(store) == 3


async def test_where_no_results_came_nothing_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    summed: list[int] = []
    sum_up = store.result_hours.sum_up

    def noted(hour: int) -> asyncio.Future[None]:
        summed.append(hour)
        return sum_up(hour)

    monkeypatch.setattr(store.result_hours, "sum_up", noted)
    retention = Retention(store.results, store.result_hours, result_days=30, hour_days=60)
    await retention.run_once(NOW)
    assert summed == []
    await add(store, 5 * HOUR)
    await retention.run_once(NOW)
    assert len(summed) == 5


async def test_old_results_go_and_their_sums_stay(retention: Retention, store: Store) -> None:
    await add(store, 60.0, DAY)
    await retention.run_once(NOW)
    await retention.run_once(NOW + 1.5 * DAY)
    assert await store.results.count("a") == 1
    assert sum(one.results for one in await store.result_hours.series(0, int(NOW + 2 * DAY))) == 2
    await retention.run_once(NOW + 12 * DAY)
    assert await store.result_hours.series(0, int(NOW + 12 * DAY)) == ()
