"""The wall clock is set by hours: tokens follow it and come back with it, and no result is lost from the sums."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lwm2m_ml.service.access import AccessTokens, Scope
from lwm2m_ml.service.monitoring.retention import Retention
from lwm2m_ml.service.wall_clock import WallClock
from lwm2m_ml.store import Store
from lwm2m_ml.store.result_hours import HOUR
from lwm2m_ml.store.results import ResultRecord

NOON = 1_000_000 * HOUR


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'one.sqlite3'}")
    yield store
    await store.close()


async def test_a_token_ends_by_the_wall_clock_and_holds_again_when_that_is_set_right(
    store: Store, set_clock: Callable[[float], None]
) -> None:
    tokens = AccessTokens(store.tokens)
    ends, lasts = await tokens.issue(Scope.ADMIN, "an hour", lifetime=3_600.0), await tokens.issue(Scope.VIEWER, "ever")
    for jump, holds in ((0.0, True), (7_200.0, False), (-7_200.0, True), (0.0, True)):
        set_clock(jump)
        assert (await tokens.caller_of(ends) is not None) is holds
        assert await tokens.caller_of(lasts) is not None


async def test_sums_of_hours_count_every_result_though_the_clock_was_set_forward_and_back(store: Store) -> None:
    retention = Retention(store.results, store.result_hours, result_days=30.0, hour_days=700.0)
    moments = [NOON + 60.0, NOON + 5 * HOUR + 60.0, NOON + 120.0, NOON + HOUR + 60.0]
    looks = [NOON + 5 * HOUR + 120.0, NOON + 6 * HOUR + 1.0, NOON + HOUR + 1.0, NOON + 2 * HOUR + 1.0]
    for number, (moment, look) in enumerate(zip(moments, looks, strict=True), 1):
        await store.results.add(ResultRecord("device", "digits", number, 7, received_at=moment))
        await retention.run_once(look)
    series = await store.result_hours.series(NOON, NOON + 6 * HOUR)
    assert {one.hour: one.results for one in series} == {NOON: 2, NOON + HOUR: 1, NOON + 5 * HOUR: 1}


async def test_nothing_is_forgotten_by_a_clock_that_was_just_set(store: Store) -> None:
    now = time.time()
    await store.results.add(ResultRecord("device", "digits", 1, 7, received_at=now))
    retention = Retention(store.results, store.result_hours, result_days=30.0, hour_days=700.0)
    future = now + 40 * 86_400
    await retention.run_once(future, forget=False)
    assert await store.results.count("device") == 1
    await retention.run_once(future)
    assert await store.results.count("device") == 0


def test_a_clock_that_is_kept_right_has_not_jumped() -> None:
    wall, steady = [1e9], [10.0]
    clock = WallClock(lambda: wall[0], lambda: steady[0])
    for drift in (0.5, -0.5, 30.0):
        wall[0] += 600.0 + drift
        steady[0] += 600.0
        assert clock.jumped() == 0.0
    wall[0] -= 3_600.0
    assert clock.jumped() == -3_600.0
    assert clock.jumped() == 0.0
