"""DTLS sessions at rest are taken once."""

from lwm2m_ml.store import Store
from lwm2m_ml.store.dtls_sessions import DtlsSessionRecord

HERE = DtlsSessionRecord("psk:a", ["192.0.2.1", 5684], b"\x00sealed")
THERE = DtlsSessionRecord("rpk:b", ["2001:db8::1", 5684, 0, 3], b"\xffsealed")


async def test_sessions_are_taken_once_in_the_order_in_which_they_were_saved(store: Store) -> None:
    await store.dtls_sessions.save_all([HERE, THERE])
    await store.dtls_sessions.save_all([])
    await store.dtls_sessions.save_all([HERE])
    assert await store.dtls_sessions.take_all() == (HERE, THERE, HERE)
    assert await store.dtls_sessions.take_all() == ()


async def test_sessions_outlive_the_process(store: Store, store_url: str) -> None:
    await store.dtls_sessions.save_all([THERE])
    await store.close()
    again = await Store.open(store_url)
    assert await again.dtls_sessions.take_all() == (THERE,)
    await again.close()


def test_what_is_sealed_does_not_show() -> None:
    assert "sealed" not in repr(HERE)
