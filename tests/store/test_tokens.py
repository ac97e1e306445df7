"""Tokens by digest."""

from lwm2m_ml.store import Store


async def test_a_token_is_found_by_its_digest_until_deleted(store: Store) -> None:
    assert await store.tokens.count() == 0
    record = await store.tokens.add("aa" * 32, scope="viewer", label="dashboard")
    assert await store.tokens.find("aa" * 32) == record
    assert await store.tokens.find("bb" * 32) is None
    assert await store.tokens.all() == (record,)
    await store.tokens.delete("aa" * 32)
    assert await store.tokens.count() == 0
