"""The plainest of all stores does what `SessionStates` says."""

from __future__ import annotations

from lwm2m_ml.coap.dtls_cid import MemorySessions, RestingSession, TakenSession
from lwm2m_ml.coap.dtls_cid.resting import key_of

SESSION = RestingSession("psk:x", "c1d", ("127.0.0.1", 1), b"secret")


async def test_numbers_are_given_out_once() -> None:
    states = MemorySessions()
    await states.keep([(SESSION, 7)])
    assert await states.take("psk:x", "c1d", 5) == TakenSession(SESSION, range(7, 12), complete=False)
    assert await states.reserve("psk:x", "c1d", 5) == range(12, 17)
    await states.keep([(SESSION, 3)], complete=True)
    assert await states.take("psk:x", "c1d", 5) == TakenSession(SESSION, range(17, 22), complete=True)
    assert await states.reserve("psk:x", "another", 5) is None


async def test_what_rests_is_complete_unless_somebody_else_was_given_numbers() -> None:
    states = MemorySessions()
    await states.keep([(SESSION, 7)])
    await states.rest([(SESSION, 6)])
    taken = await states.take("psk:x", "c1d", 5)
    assert taken is not None
    assert not taken.complete
    await states.rest([(SESSION, 12)])
    assert (await states.take("psk:x", "c1d", 5)) == TakenSession(SESSION, range(12, 17), complete=True)


def test_a_session_is_known_by_its_connection_id_or_by_where_its_peer_is() -> None:
    assert key_of(b"\x00\x07abc", ("127.0.0.1", 1)) == "0007616263"
    assert key_of(b"", ("2001:db8::1", 5684, 0, 3)) == "2001:db8::1 5684"


def test_no_key_shows_in_a_session_at_rest() -> None:
    assert "secret" not in repr(SESSION)
