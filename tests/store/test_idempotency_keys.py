"""A key is taken once."""

import asyncio

from lwm2m_ml.store import Store
from lwm2m_ml.store.idempotency_keys import IdempotencyRecord


async def test_of_many_at_the_same_time_one_takes_the_key(store: Store) -> None:
    taken = await asyncio.gather(*(store.idempotency_keys.take(IdempotencyRecord("k")) for _ in range(20)))
    assert sum(taken) == 1


async def test_an_answer_is_kept_until_the_key_is_released_or_old(store: Store) -> None:
    keys = store.idempotency_keys
    assert await keys.take(IdempotencyRecord("k", created_at=10.0))
    await keys.finish("k", "f", b"\x00answer")
    found = await keys.get("k")
    assert found is not None
    assert (found.fingerprint, found.answer) == ("f", b"\x00answer")
    await keys.delete_before(10.0)
    assert await keys.get("k") is not None
    await keys.delete_before(11.0)
    assert await keys.get("k") is None
    assert await keys.take(IdempotencyRecord("k"))
    await keys.release("k")
    assert await keys.take(IdempotencyRecord("k"))
