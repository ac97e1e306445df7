"""Results from what devices send into the store and back."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.service.result_log import ResultLog
from lwm2m_ml.service.results import ResultReader
from lwm2m_ml.store import Store


@pytest.fixture
async def results(store: Store) -> AsyncIterator[ResultLog]:
    log = ResultLog(store.results, ResultReader(42771, 42770))
    log.start()
    yield log
    await log.stop()


async def send(results: ResultLog, *numbers: object) -> None:
    kept = []
    for number in numbers:
        values = {5: number, 1: 3, 3: 75.0}
        records = tuple(Record(ObjectPath(42771, 0, resource), value) for resource, value in values.items())  # type: ignore[arg-type]
        scores = (Record(ObjectPath(42771, 0, 4, 0), 25.0), Record(ObjectPath(42771, 0, 4, 1), 75.0))
        commit = results.keep(DataSent("device", records + scores, time.time()))
        kept += [commit] if commit is not None else []
    await asyncio.gather(*kept)


async def test_results_come_back_in_order_and_whole(results: ResultLog) -> None:
    await send(results, 1, 2, 3)
    found = await results.results("device")
    assert [result.number for result in found] == [1, 2, 3]
    assert (found[0].class_index, found[0].confidence, found[0].scores) == (3, 75.0, (25.0, 75.0))
    assert await results.results("another") == ()


async def test_only_numbers_above_the_one_given_are_answered(results: ResultLog) -> None:
    await send(results, 1, 2, 3)
    assert [result.number for result in await results.results("device", since=2)] == [3]


async def test_absurd_results_are_counted_and_not_stored(results: ResultLog) -> None:
    await send(results, 1, -5, "x")
    assert [result.number for result in await results.results("device")] == [1]
    assert results.dropped == {"number": 2}


async def test_more_than_a_page_is_answered(results: ResultLog) -> None:
    await send(results, *range(1, 2_501))
    assert len(await results.results("device")) == 2_500


async def test_what_holds_no_result_is_not_waited_for(results: ResultLog) -> None:
    records = (Record(ObjectPath(3, 0, 9), 80),)
    assert results.keep(DataSent("device", records, time.time())) is None


async def test_results_of_one_message_are_on_disk_when_it_is_kept(results: ResultLog, store: Store) -> None:
    records = tuple(
        Record(ObjectPath(42771, instance, resource), value)
        for instance in (0, 1)
        for resource, value in ((5, 7), (1, 3))
    )
    commit = results.keep(DataSent("device", records, time.time()))
    assert commit is not None
    await commit
    assert await store.results.count("device") == 2


async def test_a_notified_result_is_kept_unless_it_is_there_already(results: ResultLog) -> None:
    await send(results, 1)
    kept = []
    for number in (1, 2, 2):
        records = tuple(Record(ObjectPath(42771, 0, resource), value) for resource, value in ((5, number), (1, 3)))
        commit = results.keep(Notified("device", ObjectPath(42771, 0), records, time.time()))
        kept.append(commit is not None)
        if commit is not None:
            await commit
    assert kept == [False, True, False]
    assert [result.number for result in await results.results("device")] == [1, 2]
