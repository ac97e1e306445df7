"""Results are a series per endpoint."""

import asyncio
from dataclasses import replace

from lwm2m_ml.store import Store
from lwm2m_ml.store.results import ResultRecord

RESULT = ResultRecord("ep", "digits", 1, 7, "seven", 99.5, (0.5, 99.5), 1.25, received_at=10.0)


async def test_results_come_back_in_order_of_arrival(store: Store) -> None:
    await asyncio.gather(*(store.results.add(replace(RESULT, number=number)) for number in (1, 3, 2)))
    await store.results.add(replace(RESULT, endpoint="other"))
    found = await store.results.of_endpoint("ep")
    assert [record.number for record in found] == [1, 3, 2]
    assert replace(found[0], id=0) == RESULT
    assert [record.number for record in await store.results.of_endpoint("ep", after_id=found[0].id)] == [3, 2]
    assert len(await store.results.of_endpoint("ep", limit=2)) == 2
    assert await store.results.of_endpoint("ep", model="another") == ()
    assert await store.results.count("ep") == 3


async def test_the_latest_results_come_in_order_of_arrival(store: Store) -> None:
    await asyncio.gather(*(store.results.add(replace(RESULT, number=number)) for number in (1, 2, 3, 4)))
    assert [record.number for record in await store.results.latest("ep", 2)] == [3, 4]
    assert await store.results.latest("other", 2) == ()


async def test_old_results_can_be_forgotten(store: Store) -> None:
    store.results.add(RESULT)
    store.results.add(replace(RESULT, received_at=20.0))
    await store.results.delete_before(15.0)
    assert [record.received_at for record in await store.results.of_endpoint("ep")] == [20.0]


async def test_the_newest_result_of_each_slot_tells_where_its_numbers_stand(store: Store) -> None:
    told = [("a", 0, 1, 5), ("a", 0, 1, 4), ("a", 1, 0, 9), ("b", None, 0, 2), ("c", 0, 0, 7)]
    for endpoint, slot, series, number in told:
        await store.results.add(replace(RESULT, endpoint=endpoint, slot=slot, series=series, number=number))
    assert await store.results.highest_numbers({"a", "b", "d"}) == {
        ("a", 0): (1, 4),
        ("a", 1): (0, 9),
        ("b", None): (0, 2),
    }
    assert await store.results.highest_numbers(set()) == {}
