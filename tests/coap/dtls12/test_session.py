"""Sealing, opening, replay, and sessions at rest."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12 import SUITES, Record, Session, UnusableSession, records
from lwm2m_ml.coap.dtls12.numbers import ALERT, APPLICATION_DATA, TLS12_CID
from lwm2m_ml.coap.dtls12.session import LAST_SEQUENCE_NUMBER, WINDOW, SessionKeys
from lwm2m_ml.coap.oscore.states import ReplayState

BLOCK = bytes(range(40))
CID = b"\x00\x07abcdef"


def pair(suite: int = 0xC0A8, server_cid: bytes = CID, client_cid: bytes = b"") -> tuple[Session, Session]:
    """The client's and the server's side of one session."""
    chosen = SUITES[suite]
    client = Session(SessionKeys.of(chosen, BLOCK, server=False), client_cid, server_cid)
    return client, Session(SessionKeys.of(chosen, BLOCK, server=True), server_cid, client_cid)


def record(datagram: bytes, cid: bytes = CID) -> Record:
    (found,) = records(datagram, len(cid))
    return found


@given(st.binary(max_size=300), st.sampled_from(sorted(SUITES)), st.sampled_from([b"", CID, b"\x01"]))
def test_what_one_side_seals_the_other_opens(content: bytes, suite: int, cid: bytes) -> None:
    client, server = pair(suite, cid)
    assert server.open(record(client.seal(content), cid)) == (APPLICATION_DATA, content, True)
    assert client.open(record(server.seal(content, ALERT), b"")) == (ALERT, content, True)


@given(st.integers(0, 600), st.integers(1, 255))
@settings(max_examples=200)
def test_a_changed_byte_anywhere_is_noticed(place: int, change: int) -> None:
    client, server = pair()
    sealed = bytearray(client.seal(b"some content"))
    sealed[place % len(sealed)] ^= change
    assert all(server.open(one) is None for one in records(bytes(sealed), len(CID)))
    assert server.open(record(client.seal(b"more"))) is not None, "a forgery must leave nothing behind"


def test_the_type_is_not_seen_with_a_connection_id() -> None:
    client, _ = pair()
    assert client.seal(b"bye", ALERT)[0] == TLS12_CID


def test_padding_is_taken_off() -> None:
    client, server = pair()
    padded = client.seal(b"content\x17" + bytes(20), 0)
    assert server.open(record(padded)) == (APPLICATION_DATA, b"content", True)


def test_nothing_but_padding_is_no_record() -> None:
    client, server = pair()
    assert server.open(record(client.seal(bytes(20), 0))) is None


def test_a_record_without_the_agreed_connection_id_is_none_of_the_session() -> None:
    _, server = pair()
    without, _ = pair(server_cid=b"")
    assert server.open(record(without.seal(b"x"), b"")) is None


def test_a_record_is_opened_once() -> None:
    client, server = pair()
    sealed = record(client.seal(b"once"))
    assert server.open(sealed) is not None
    assert server.open(sealed) is None


@given(st.permutations(range(12)))
def test_records_may_overtake_each_other_within_the_window(order: list[int]) -> None:
    client, server = pair()
    sealed = [record(client.seal(bytes((number,)))) for number in range(12)]
    opened = [server.open(sealed[number]) for number in order]
    assert [one and one[1] for one in opened] == [bytes((number,)) for number in order]
    newest = [number == max(order[: place + 1]) for place, number in enumerate(order)]
    assert [one and one[2] for one in opened] == newest


def test_what_is_older_than_the_window_is_dropped() -> None:
    client, server = pair()
    first = record(client.seal(b"old"))
    for _ in range(WINDOW):
        server.open(record(client.seal(b"new")))
    assert server.open(first) is None


def test_epochs_other_than_one_are_not_opened() -> None:
    client, server = pair()
    sealed = record(client.seal(b"x"))
    for epoch in (b"\x00\x00", b"\x00\x02", b"\xff\xff"):
        assert server.open(sealed._replace(number=epoch + sealed.number[2:])) is None
    assert server.open(sealed) is not None


def test_no_sequence_number_is_used_twice_even_at_the_end() -> None:
    keys = SessionKeys.of(SUITES[0xC0A8], BLOCK, server=False)
    session = Session(keys, b"", b"", numbers=range(LAST_SEQUENCE_NUMBER, 1 << 50))
    session.seal(b"the last one")
    with pytest.raises(UnusableSession, match="used up"):
        session.seal(b"one more")


# At rest


@given(st.sampled_from(sorted(SUITES)), st.lists(st.booleans(), max_size=20))
def test_a_session_goes_on_where_it_was_exported(suite: int, arrived: list[bool]) -> None:
    client, server = pair(suite)
    replayed = []
    for arrives in arrived:
        sealed = record(client.seal(b"before"))
        if arrives:
            server.open(sealed)
            replayed.append(sealed)
        server.seal(b"numbers are used up")
    exported, first = server.export(), server.end()
    resumed = Session.resume(exported, range(first, first + 10))
    assert all(resumed.open(one) is None for one in replayed), "the window comes along"
    assert resumed.open(record(client.seal(b"after"))) == (APPLICATION_DATA, b"after", True)
    answer = record(resumed.seal(b"answer"), b"")
    assert answer.sequence_number == len(arrived), "no number is used again"
    assert client.open(answer) is not None


def test_an_ended_session_seals_nothing_any_more() -> None:
    client, _ = pair()
    client.end()
    with pytest.raises(UnusableSession):
        client.seal(b"would repeat a nonce")


@given(st.binary(max_size=60))
def test_bytes_that_are_no_session_are_refused(data: bytes) -> None:
    with pytest.raises(UnusableSession):
        Session.resume(data, range(1))


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 1), (1, 0x1301), (1, []), (2, b"short"), (2, "text"), (3, 5), (5, -2), (5, 1 << 70), (6, None), (6, "x")],
)
def test_a_damaged_session_is_refused(place: int, value: object) -> None:
    client, _ = pair()
    facts = cbor2.loads(client.export())
    facts[place] = value
    with pytest.raises(UnusableSession):
        Session.resume(cbor2.dumps(facts), range(1))


def test_the_replay_window_at_rest_is_the_one_that_was() -> None:
    keys = SessionKeys.of(SUITES[0xC0A8], BLOCK, server=True)
    session = Session(keys, CID, b"", seen=ReplayState(9, 0b1001))
    assert cbor2.loads(session.export())[-2:] == [9, 0b1001]


def test_no_key_shows_in_what_is_printed() -> None:
    client, _ = pair()
    shown = repr(client) + repr(client._keys)
    assert BLOCK.hex() not in shown
    assert repr(BLOCK[:8])[2:-1] not in shown


# Sequence numbers that others might have


class Asked:
    def __init__(self) -> None:
        self.times = 0

    def short(self) -> None:
        self.times += 1


def test_a_session_that_is_bound_asks_in_time_and_stops_at_its_limit() -> None:
    client, _ = pair()
    client.seal(b"before")
    assert client.bound(4) == client.limit == 5
    client.reservations = asked = Asked()
    numbers = [record(client.seal(b"x")).sequence_number for _ in range(4)]
    assert numbers == [1, 2, 3, 4]
    assert asked.times == 2, "from the half on"
    with pytest.raises(UnusableSession, match="waits for the store"):
        client.seal(b"x")
    assert asked.times == 3
    client.grant(range(5, 9))
    assert record(client.seal(b"x")).sequence_number == 5


def test_numbers_of_others_are_left_out() -> None:
    client, _ = pair()
    client.bound(4)
    client.grant(range(100, 104))
    assert record(client.seal(b"x")).sequence_number == 100


@pytest.mark.parametrize("start", [0, 3])
def test_numbers_that_were_given_out_before_are_refused(start: int) -> None:
    client, _ = pair()
    client.bound(4)
    with pytest.raises(UnusableSession, match="twice"):
        client.grant(range(start, 50))
    assert client.limit == 4


def test_without_numbers_a_session_opens_and_does_not_seal() -> None:
    client, server = pair()
    resumed = Session.resume(server.export(), range(0))
    assert resumed.open(record(client.seal(b"x"))) is not None
    with pytest.raises(UnusableSession):
        resumed.seal(b"x")


def test_numbers_beyond_the_last_one_are_none() -> None:
    _, server = pair()
    resumed = Session.resume(server.export(), range(LAST_SEQUENCE_NUMBER + 1, LAST_SEQUENCE_NUMBER + 9))
    with pytest.raises(UnusableSession, match="used up"):
        resumed.seal(b"x")


def test_what_is_older_than_the_newest_is_not_opened_when_it_is_to_be_forgotten() -> None:
    client, server = pair()
    early, late = record(client.seal(b"early")), record(client.seal(b"late"))
    server.open(late)
    server.forget_older()
    assert server.open(early) is None
    assert server.open(record(client.seal(b"later"))) is not None
