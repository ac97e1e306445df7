"""DTLS sessions in the store: the newest of an identity, its holder, and numbers that are given out once."""

import asyncio

import pytest

from lwm2m_ml.store import Store
from lwm2m_ml.store.dtls_sessions import DtlsSessionRecord, Held

A = DtlsSessionRecord("psk:a", "c1d", ["192.0.2.1", 5684], b"\x00sealed")
B = DtlsSessionRecord("rpk:b", "2001:db8::1 5684", ["2001:db8::1", 5684, 0, 3], b"\xffsealed")
NEWER = DtlsSessionRecord("psk:a", "c2d", ["192.0.2.9", 5684], b"\x01sealed")


def held(record: DtlsSessionRecord, number: int = 100, token: int = 5) -> Held:
    return Held(record, f"device of {record.identity}", token, number)


async def test_sessions_are_found_by_key_and_by_identity(store: Store) -> None:
    sessions = store.dtls_sessions
    assert await sessions.keep([held(A), held(B)], complete=False) == {"psk:a", "rpk:b"}
    assert await sessions.keep([], complete=False) == frozenset()
    found = await sessions.find(["c1d", "2001:db8::1 5684", "no"])
    assert {one.identity for one in found} == {"psk:a", "rpk:b"}
    assert await sessions.of("psk:a") == A
    assert await sessions.of("psk:nobody") is None


async def test_the_newest_session_of_an_identity_takes_the_place_of_the_one_before(store: Store) -> None:
    sessions = store.dtls_sessions
    await sessions.keep([held(A, 500)], complete=False)
    await sessions.keep([held(NEWER, 100)], complete=False)
    assert await sessions.find(["c1d"]) == ()
    assert await sessions.take("psk:a", "c1d", 10) is None
    taken = await sessions.take("psk:a", "c2d", 10)
    assert taken == (NEWER, 500, False), "numbers go up only, whosever they are"


async def test_no_number_is_given_out_twice_to_whoever_asks_at_once(store: Store) -> None:
    sessions = store.dtls_sessions
    await sessions.keep([held(A, 100)], complete=False)
    taken = asyncio.gather(*(sessions.take("psk:a", "c1d", 10) for _ in range(8)))
    reserved = asyncio.gather(*(sessions.reserve("psk:a", "c1d", 5, 10) for _ in range(8)))
    firsts = {one[1] for one in await taken if one is not None} | {one for one in await reserved if one is not None}
    assert firsts == set(range(100, 260, 10))


async def test_a_session_is_complete_once(store: Store) -> None:
    sessions = store.dtls_sessions
    await sessions.keep([held(A)], complete=True)
    first = await sessions.take("psk:a", "c1d", 10)
    second = await sessions.take("psk:a", "c1d", 10)
    assert first is not None
    assert second is not None
    assert (first[2], second[2]) == (True, False)


async def test_a_holder_that_lost_its_device_gets_no_numbers(store: Store) -> None:
    sessions = store.dtls_sessions
    await sessions.keep([held(A, token=5)], complete=False)
    await sessions.take("psk:a", "c1d", 10)
    assert await sessions.hold([held(A, token=9)]) == {"psk:a"}
    assert await sessions.reserve("psk:a", "c1d", 5, 10) is None
    assert await sessions.reserve("psk:a", "c1d", 9, 10) == 110
    assert await sessions.hold([held(A, token=5)]) == frozenset()
    await sessions.keep([held(NEWER, token=5)], complete=False)
    assert await sessions.of("psk:a") == A


async def test_what_a_holder_says_at_last_is_complete_if_it_had_all_numbers(store: Store) -> None:
    sessions = store.dtls_sessions
    last = DtlsSessionRecord("psk:a", "c1d", ["192.0.2.7", 1], b"last")
    await sessions.keep([held(A, 100)], complete=False)
    await sessions.rest([held(last, 100, token=4), held(last, 99)])
    assert await sessions.of("psk:a") == A
    await sessions.rest([held(last, 100)])
    assert await sessions.take("psk:a", "c1d", 10) == (last, 100, True)
    await sessions.rest([held(A, 100)])
    assert await sessions.take("psk:a", "c1d", 10) == (last, 110, False), "somebody else may have opened something"


async def test_a_session_that_ended_is_gone(store: Store) -> None:
    sessions = store.dtls_sessions
    await sessions.keep([held(A), held(B)], complete=False)
    await sessions.remove("psk:a", "another key")
    assert await sessions.of("psk:a") == A
    await sessions.remove("psk:a", "c1d")
    await sessions.remove("rpk:b", None)
    assert await sessions.find(["c1d", "2001:db8::1 5684"]) == ()
    assert await sessions.hold([held(A)]) == frozenset()


async def test_whoever_is_alone_holds_everything(store: Store) -> None:
    sessions = store.dtls_sessions
    await sessions.keep([held(A, token=7)], complete=False)
    await sessions.all_are_ours()
    assert await sessions.reserve("psk:a", "c1d", 0, 10) == 100


async def test_sessions_outlive_the_process(store: Store, store_url: str) -> None:
    await store.dtls_sessions.keep([held(B)], complete=False)
    await store.close()
    again = await Store.open(store_url)
    assert await again.dtls_sessions.of("rpk:b") == B
    await again.close()


async def test_that_nothing_was_stored_is_said(store: Store) -> None:
    await store.close()
    with pytest.raises(Exception, match="closed"):
        await store.dtls_sessions.keep([held(A)], complete=False)


def test_what_is_sealed_does_not_show() -> None:
    assert "sealed" not in repr(A)
