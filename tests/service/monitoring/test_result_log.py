"""Results from what devices send into the store and back."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.service.monitoring.installed import Installed
from lwm2m_ml.service.monitoring.known_modules import KnownModules
from lwm2m_ml.service.monitoring.result_log import ResultLog, TooManyResults
from lwm2m_ml.service.monitoring.results import ResultReader
from lwm2m_ml.store import Store
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.errors import StoreClosed, StoreOverloaded
from lwm2m_ml.store.modules import ModuleRecord


def result_log(store: Store, *, messages_per_second: float = 0.0) -> ResultLog:
    modules = KnownModules(store.modules)
    return ResultLog(
        store.results,
        ResultReader(42771, 42770),
        modules,
        Installed(store.watched_models, modules.find),
        messages_per_second=messages_per_second,
    )


@pytest.fixture
async def results(store: Store) -> AsyncIterator[ResultLog]:
    log = result_log(store)
    yield log
    await log.stop()


async def send(results: ResultLog, *numbers: object, series: object = None) -> None:
    kept = []
    for number in numbers:
        values = {5: number, 1: 3, 3: 75.0} | ({} if series is None else {16: series})
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


async def test_who_follows_by_id_misses_nothing_when_numbers_begin_anew(results: ResultLog) -> None:
    await send(results, 1, 2, 900)
    last = (await results.results("device"))[-1]
    await send(results, 1, 2)
    assert [result.number for result in await results.results("device", after=last.id)] == [1, 2]
    assert await results.results("device", since=last.number) == ()


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


async def test_a_result_from_behind_a_gateway_is_not_taken_for_the_gateways(results: ResultLog) -> None:
    records = tuple(Record(ObjectPath(42771, 0, resource), value) for resource, value in ((5, 1), (1, 3)))
    notified = Notified("device", ObjectPath(42771, 0), records, time.time(), prefix="d01")
    assert results.keep(notified) is None
    assert await results.results("device") == ()


async def test_a_device_that_floods_is_put_off_and_counted_and_others_are_not(store: Store) -> None:
    results = result_log(store, messages_per_second=0.001)  # one at once, the next after a quarter of an hour
    await sent(results, message(1))
    for number in range(2, 1002):
        with pytest.raises(TooManyResults, match="device sends results too often"):
            results.keep(DataSent("device", message(number), time.time()))
    other = results.keep(DataSent("another", message(1), time.time()))
    assert other is not None
    await other
    assert (results.put_off, len(await results.results("device")), len(await results.results("another"))) == (
        1000,
        1,
        1,
    )
    await results.stop()


def message(number: int, *, sequence: int | None = None, slot: int = 0) -> tuple[Record, ...]:
    values = {5: number, 1: 3}
    of_module = () if sequence is None else (Record(ObjectPath(42770, slot, 8), sequence),)
    return (*(Record(ObjectPath(42771, slot, resource), value) for resource, value in values.items()), *of_module)


async def sent(results: ResultLog, *messages: tuple[Record, ...]) -> None:
    for records in messages:
        commit = results.keep(DataSent("device", records, time.time()))
        if commit is not None:
            await commit


async def test_a_result_sent_again_is_stored_once(results: ResultLog) -> None:
    await sent(results, message(1), message(2), message(2), message(3))
    assert [result.number for result in await results.results("device")] == [1, 2, 3]


async def test_a_repetition_is_answered_only_when_the_first_is_on_disk(results: ResultLog) -> None:
    await sent(results, message(1))
    first = results.keep(DataSent("device", message(2), time.time()))
    again = results.keep(DataSent("device", message(2), time.time()))
    assert again is first
    assert again is not None
    await again
    assert results.keep(DataSent("device", message(2), time.time())) is None


async def test_missing_results_are_counted_over_a_restart_of_the_server(results: ResultLog, store: Store) -> None:
    await sent(results, message(1), message(4), message(3))
    again = result_log(store)
    await sent(again, message(4), message(7))
    found = await again.results("device")
    # Three was late, but is the newest on disk: what was before it is not known any more.
    assert [(result.number, result.lost) for result in found] == [(1, 0), (4, 2), (3, -1), (4, 0), (7, 2)]


async def test_slots_are_series_of_their_own(results: ResultLog) -> None:
    await sent(results, message(1), message(1, slot=1), message(2), message(2, slot=1))
    assert [(result.slot, result.number, result.lost) for result in await results.results("device")] == [
        (0, 1, 0),
        (1, 1, 0),
        (0, 2, 0),
        (1, 2, 0),
    ]


def module(version: str, sequence: int, digest: str) -> ModuleRecord:
    facts = {"sequence_number": sequence, "module_digest": digest}
    return ModuleRecord(digest, f"key-{sequence}", "motion", version, "small", "cortex-m4f", facts, digest)


async def test_a_result_is_of_the_module_whose_sequence_number_comes_with_it(results: ResultLog, store: Store) -> None:
    await store.modules.put(module("1.0.0", 7, "aa" * 32))
    await store.modules.put(module("1.1.0", 8, "bb" * 32))
    await sent(results, message(1, sequence=7), message(2, sequence=8), message(3, sequence=99), message(4))
    found = await results.results("device")
    assert [(result.model, result.version) for result in found] == [
        ("motion", "1.0.0"),
        ("motion", "1.1.0"),
        ("", ""),
        ("", ""),
    ]


async def test_messages_behind_one_that_waits_keep_their_order(results: ResultLog) -> None:
    commits = [results.keep(DataSent("device", message(number), time.time())) for number in (1, 2, 3, 5)]
    await asyncio.gather(*(commit for commit in commits if commit is not None))
    assert [(result.number, result.lost) for result in await results.results("device")] == [
        (1, 0),
        (2, 0),
        (3, 0),
        (5, 1),
    ]


async def test_what_could_not_be_written_is_taken_when_it_is_sent_again(results: ResultLog, store: Store) -> None:
    await sent(results, message(1))
    commit = results.keep(DataSent("device", message(2), time.time()))
    assert commit is not None
    results._written(commit, [("device", 0)], StoreClosed())
    await commit
    assert ("device", 0) not in results._series


async def test_what_the_store_had_no_room_for_is_taken_when_it_is_sent_again(
    results: ResultLog, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_records: object) -> Commit:
        raise StoreOverloaded(1)

    await sent(results, message(1))
    with monkeypatch.context() as overloaded:
        overloaded.setattr(store.results, "add_all", full)
        with pytest.raises(StoreOverloaded):
            results.keep(DataSent("device", message(2), time.time()))
    await sent(results, message(2))
    assert [result.number for result in await results.results("device")] == [1, 2]


async def test_after_a_reboot_that_followed_one_result_nothing_is_taken_for_a_repeat(
    results: ResultLog, store: Store
) -> None:
    await send(results, 1, series=1)
    await send(results, 1, 2, series=2)
    assert [(one.series, one.number, one.lost) for one in await results.results("device")] == [
        (1, 1, 0),
        (2, 1, 0),
        (2, 2, 0),
    ]


async def test_a_server_that_was_restarted_knows_the_series_of_what_comes_again(
    results: ResultLog, store: Store
) -> None:
    await send(results, 1, series=4)
    again = result_log(store)
    await send(again, 1, series=4)
    await send(again, 1, series=5)
    assert [(one.series, one.number) for one in await again.results("device")] == [(4, 1), (5, 1)]
    await again.stop()


@pytest.mark.parametrize("series", [-1, "x", 1.5, 1 << 63, True])
async def test_a_series_that_is_none_is_counted_and_the_result_dropped(results: ResultLog, series: object) -> None:
    await send(results, 1, series=series)
    assert await results.results("device") == ()
    assert results.dropped == {"series": 1}
