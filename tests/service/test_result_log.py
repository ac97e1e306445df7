"""Results from the bus into the store and back."""

import time
from collections.abc import AsyncIterator

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import DataSent
from lwm2m_ml.service.result_log import ResultLog
from lwm2m_ml.service.results import ResultReader
from lwm2m_ml.store import Store


@pytest.fixture
async def results(store: Store, bus: Bus) -> AsyncIterator[ResultLog]:
    log = ResultLog(store.results, ResultReader(42771, 42770), bus)
    log.start()
    yield log
    await log.stop()


async def send(bus: Bus, store: Store, *numbers: object) -> None:
    for number in numbers:
        values = {5: number, 1: 3, 3: 75.0}
        records = tuple(Record(ObjectPath(42771, 0, resource), value) for resource, value in values.items())  # type: ignore[arg-type]
        scores = (Record(ObjectPath(42771, 0, 4, 0), 25.0), Record(ObjectPath(42771, 0, 4, 1), 75.0))
        bus.publish(DataSent("device", records + scores, time.time()))
    await bus.drain()
    await store.writer.flush()


async def test_results_come_back_in_order_and_whole(results: ResultLog, bus: Bus, store: Store) -> None:
    await send(bus, store, 1, 2, 3)
    found = await results.results("device")
    assert [result.number for result in found] == [1, 2, 3]
    assert (found[0].class_index, found[0].confidence, found[0].scores) == (3, 75.0, (25.0, 75.0))
    assert await results.results("another") == ()


async def test_only_numbers_above_the_one_given_are_answered(results: ResultLog, bus: Bus, store: Store) -> None:
    await send(bus, store, 1, 2, 3)
    assert [result.number for result in await results.results("device", since=2)] == [3]


async def test_absurd_results_are_counted_and_not_stored(results: ResultLog, bus: Bus, store: Store) -> None:
    await send(bus, store, 1, -5, "x")
    assert [result.number for result in await results.results("device")] == [1]
    assert results.dropped == {"number": 2}


async def test_more_than_a_page_is_answered(results: ResultLog, bus: Bus, store: Store) -> None:
    await send(bus, store, *range(1, 2_501))
    assert len(await results.results("device")) == 2_500
