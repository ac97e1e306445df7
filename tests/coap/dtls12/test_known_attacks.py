"""The known attacks on DTLS, one by one: docs/dtls.md lists them with the names of these tests."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls12 import CID_BYTES, SUITES, Alert, HandshakeError, Listener, Record, Session, records
from lwm2m_ml.coap.dtls12.client import ClientPolicy
from lwm2m_ml.coap.dtls12.fragments import Message, parse_fragments
from lwm2m_ml.coap.dtls12.handshake import MOST_HANDSHAKE_BYTES
from lwm2m_ml.coap.dtls12.hellos import ClientHello, ServerHello
from lwm2m_ml.coap.dtls12.messages import ClientKeyExchange
from lwm2m_ml.coap.dtls12.numbers import APPLICATION_DATA, HANDSHAKE, Extension, HandshakeType
from lwm2m_ml.coap.dtls12.records import plain
from lwm2m_ml.coap.dtls12.suites import KeyExchange

if TYPE_CHECKING:
    from tests.coap.dtls12.conftest import Link, Sides

PSK_CCM_8, ECDSA_CCM_8 = 0xC0A8, 0xC0AE
RANDOM = bytes(range(32))


def messages_in(datagram: bytes) -> list[Message]:
    return [
        Message(one.type, one.sequence, one.content)
        for record in records(datagram, CID_BYTES)
        if record.type == HANDSHAKE and record.is_plain
        for one in parse_fragments(record.content)
    ]


def datagram_of(messages: list[Message], first: int = 0) -> bytes:
    return b"".join(plain(HANDSHAKE, first + number, one.encode()) for number, one in enumerate(messages))


def meddling(change: Callable[[Message], Message]) -> Callable[[str, int, bytes], list[bytes]]:
    """A man in the middle who changes messages in the clear, and cannot change what is sealed."""

    def disturb(_who: str, _number: int, datagram: bytes) -> list[bytes]:
        out = b""
        for record in records(datagram, CID_BYTES):
            content = record.content
            if record.type == HANDSHAKE and record.is_plain:
                content = b"".join(
                    change(Message(f.type, f.sequence, f.content)).encode() for f in parse_fragments(content)
                )
            out += bytes((record.type,)) + record.version + record.number + record.cid
            out += len(content).to_bytes(2) + content
        return [out]

    return disturb


def sessions(link: Link) -> tuple[Session, Session]:
    assert link.client.session is not None
    assert link.server is not None
    assert link.server.session is not None
    return link.client.session, link.server.session


# Lucky Thirteen, and padding oracles in general


def test_every_suite_is_an_aead_so_that_there_is_no_padding_to_ask_about() -> None:
    assert all("CCM" in suite.name or "GCM" in suite.name for suite in SUITES.values())
    assert all(suite.tag_bytes in (8, 16) for suite in SUITES.values())


def test_a_client_that_only_speaks_cbc_is_refused(sides: Sides) -> None:
    link = sides.link(sides.client(PSK_CCM_8))
    cbc = ClientHello(RANDOM, (0x008C, 0xC023, 0x00AE))
    record = Record(HANDSHAKE, bytes(8), b"", Message(1, 0, cbc.encode()).encode())
    answer = link.listener.receive(record, "there", 0.0)
    assert isinstance(answer, bytes)
    (request,) = messages_in(answer)
    again = replace(cbc, cookie=request.body[3:])
    greeting = link.listener.receive(record._replace(content=Message(1, 1, again.encode()).encode()), "there", 0.0)
    assert greeting is not None
    assert not isinstance(greeting, bytes)
    with pytest.raises(HandshakeError, match="no cipher suite"):
        greeting.begin(link.policy)


# Triple handshake, renegotiation


def test_the_master_secret_is_bound_to_the_whole_handshake(sides: Sides) -> None:
    """Triple handshake (RFC 7627 §1): a man in the middle cannot make two sessions with one master secret."""
    one, other = (sides.link(sides.client(PSK_CCM_8)).run() for _ in range(2))
    assert one.client.extended_master_secret
    assert one.client._master is not None
    assert other.client._master is not None
    assert one.client._master.make(b"label", b"seed", 48) != other.client._master.make(b"label", b"seed", 48)


def test_a_session_is_never_resumed_by_id_whatever_the_client_asks_for(sides: Sides) -> None:
    link = sides.link(sides.client(PSK_CCM_8)).run()
    hello = next(m for who, d in link.seen if who == "server" for m in messages_in(d) if m.type == 2)
    assert hello.body[34] == 0, "no session id"
    assert hello.type == HandshakeType.SERVER_HELLO


@pytest.mark.parametrize("message", [HandshakeType.CLIENT_HELLO, HandshakeType.HELLO_REQUEST])
def test_nobody_can_renegotiate(done: Link, message: HandshakeType) -> None:
    client, server = sessions(done)
    assert done.server is not None
    for sender, receiver in ((client, done.server), (server, done.client)):
        sealed = sender.seal(Message(message, 9, b"").encode(), HANDSHAKE)
        for record in records(sealed, len(sender.peer_cid)):
            receiver.receive(record)
        assert receiver.complete
        assert receiver.outgoing == []


def test_a_first_handshake_that_claims_to_be_a_later_one_is_refused(sides: Sides) -> None:
    def claim(message: Message) -> Message:
        if message.type != HandshakeType.SERVER_HELLO:
            return message
        hello = ServerHello.parse(message.body)
        extensions = {**hello.extensions, Extension.RENEGOTIATION_INFO: b"\x01x"}
        return message._replace(body=replace(hello, extensions=extensions).encode())

    with pytest.raises(HandshakeError, match="claims to be"):
        sides.link(sides.client(PSK_CCM_8), meddling(claim)).run()


# Downgrade


def without(extension: Extension) -> Callable[[Message], Message]:
    def change(message: Message) -> Message:
        if message.type != HandshakeType.CLIENT_HELLO:
            return message
        hello = ClientHello.parse(message.body)
        kept = {number: content for number, content in hello.extensions.items() if number != extension}
        return message._replace(body=replace(hello, extensions=kept).encode())

    return change


def weakest_suite(message: Message) -> Message:
    if message.type != HandshakeType.CLIENT_HELLO:
        return message
    hello = ClientHello.parse(message.body)
    return message._replace(body=replace(hello, suites=(hello.suites[-2],)).encode())


@pytest.mark.parametrize(
    "change",
    [
        weakest_suite,
        without(Extension.EXTENDED_MASTER_SECRET),
        without(Extension.CONNECTION_ID),
        without(Extension.SUPPORTED_GROUPS),
    ],
    ids=["suites", "extended master secret", "connection id", "groups"],
)
def test_who_takes_something_out_of_a_hello_gets_no_session(sides: Sides, change: Callable[[Message], Message]) -> None:
    policy = ClientPolicy(b"device", bytes(range(16)), suites=(0xD001, 0xC0A8))
    link = sides.link(policy, meddling(change))
    with pytest.raises((HandshakeError, AssertionError)):
        link.run()
    assert not link.client.complete
    assert link.server is None or not link.server.complete


def test_the_version_cannot_go_below_1_2(link: Link) -> None:
    (request,) = [m for d in link.client.outgoing for m in messages_in(d)]
    server_hello = Message(2, 0, b"\xfe\xff" + ServerHello(RANDOM, PSK_CCM_8).encode()[2:])
    assert request.type == HandshakeType.CLIENT_HELLO
    (record,) = records(datagram_of([server_hello]), 0)
    with pytest.raises(HandshakeError) as caught:
        link.client.receive(record)
    assert caught.value.alert is Alert.PROTOCOL_VERSION


def test_what_was_not_offered_cannot_be_chosen(sides: Sides) -> None:
    for hello in (ServerHello(RANDOM, 0xC0A4), ServerHello(RANDOM, PSK_CCM_8, {15: b"\x01"})):
        client = sides.link(sides.client(PSK_CCM_8)).client
        (record,) = records(datagram_of([Message(2, 0, hello.encode())]), 0)
        with pytest.raises(HandshakeError, match="not offered"):
            client.receive(record)


def test_signatures_of_weak_hashes_are_refused(sides: Sides) -> None:
    """SLOTH: SHA-1 and MD5 are never offered; who signs with them is refused."""

    def weaken(message: Message) -> Message:
        if message.type != HandshakeType.SERVER_KEY_EXCHANGE:
            return message
        return message._replace(body=message.body.replace(b"\x04\x03\x00", b"\x02\x03\x00", 1))

    with pytest.raises(HandshakeError, match="algorithm"):
        sides.link(sides.client(ECDSA_CCM_8), meddling(weaken)).run()


def test_a_point_that_is_not_on_the_curve_is_refused(sides: Sides) -> None:
    def bend(message: Message) -> Message:
        if message.type != HandshakeType.CLIENT_KEY_EXCHANGE:
            return message
        told = ClientKeyExchange.parse(message.body, KeyExchange.ECDHE_PSK)
        point = told.point[:-1] + bytes((told.point[-1] ^ 1,))
        return message._replace(body=replace(told, point=point).encode(KeyExchange.ECDHE_PSK))

    with pytest.raises(HandshakeError, match="not on P-256"):
        sides.link(sides.client(0xD001), meddling(bend)).run()


# Messages left out, doubled or out of turn (SKIP-TLS, early change of cipher)


@pytest.mark.parametrize(
    "left_out",
    [
        HandshakeType.CERTIFICATE,
        HandshakeType.SERVER_KEY_EXCHANGE,
        HandshakeType.CERTIFICATE_REQUEST,
        HandshakeType.CERTIFICATE_VERIFY,
        HandshakeType.CLIENT_KEY_EXCHANGE,
    ],
)
def test_no_message_can_be_left_out(sides: Sides, left_out: HandshakeType) -> None:
    """The messages after it take its number, so that the receiver sees no gap."""

    def skip(who: str, _number: int, datagram: bytes) -> list[bytes]:
        messages = messages_in(datagram)
        if left_out not in [one.type for one in messages]:
            return [datagram]
        kept: list[Message] = []
        for one in messages:
            if one.type != left_out:
                kept.append(one._replace(sequence=messages[0].sequence + len(kept)))
        sealed = datagram[datagram.find(b"\x14\xfe\xfd") :] if who == "client" else b""
        return [datagram_of(kept, 20) + sealed]

    link = sides.link(sides.client(ECDSA_CCM_8), skip)
    with pytest.raises((HandshakeError, AssertionError)):
        link.run()
    assert not link.client.complete
    assert link.server is None or not link.server.complete


def test_a_change_of_cipher_before_its_time_changes_nothing(sides: Sides) -> None:
    """CVE-2014-0224: keys are made of the key exchange, never because somebody announces them."""

    def early(_who: str, number: int, datagram: bytes) -> list[bytes]:
        announcement = plain(20, 1000 + number, b"\x01")
        return [announcement, announcement + datagram + announcement]

    assert sides.link(sides.client(PSK_CCM_8), early).run().complete


def test_an_unknown_message_ends_the_handshake(sides: Sides) -> None:
    link = sides.link(sides.client(PSK_CCM_8))
    server = link.greet()
    (record,) = records(datagram_of([Message(99, 2, b"")]), 8)
    with pytest.raises(HandshakeError, match="no handshake message 99"):
        server.receive(record)


# Epoch confusion


def test_a_finished_in_the_clear_counts_for_nothing(sides: Sides) -> None:
    link = sides.link(sides.client(PSK_CCM_8))
    server = link.greet()
    (record,) = records(datagram_of([Message(HandshakeType.FINISHED, 2, bytes(12))]), 8)
    server.receive(record)
    assert link.run().complete


def test_data_in_the_clear_counts_for_nothing(done: Link) -> None:
    assert done.server is not None
    _, server = sessions(done)
    record = Record(APPLICATION_DATA, bytes(7) + b"\x09", b"", b"plain text")
    assert server.open(record) is None
    done.server.receive(record)
    assert done.server.outgoing == []


def test_a_sealed_key_exchange_counts_for_nothing(done: Link) -> None:
    client, _ = sessions(done)
    assert done.server is not None
    told = ClientKeyExchange(b"someone else").encode(KeyExchange.PSK)
    sealed = client.seal(Message(HandshakeType.CLIENT_KEY_EXCHANGE, 3, told).encode(), HANDSHAKE)
    grant = done.server.grant
    for record in records(sealed, CID_BYTES):
        done.server.receive(record)
    assert done.server.grant is grant


# Fragment flood, cookie exhaustion


def test_a_flood_of_fragments_costs_a_handshake_bounded_memory(sides: Sides) -> None:
    link = sides.link(sides.client(PSK_CCM_8))
    server = link.greet()
    server.outgoing = []

    def flood() -> None:
        for number in range(5_000):
            head = b"\x10\x00\x10\x00" + (2 + number % 4).to_bytes(2) + (number % 4000).to_bytes(3) + b"\x00\x00\x01"
            for record in records(plain(HANDSHAKE, number, head + b"x"), 8):
                server.receive(record)

    tracemalloc.start()
    flood()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 4 * MOST_HANDSHAKE_BYTES
    assert server.outgoing == []


def test_hellos_without_cookie_leave_nothing_behind_and_get_less_than_they_brought() -> None:
    listener = Listener(0.0)
    hello = Message(1, 0, ClientHello(RANDOM, (PSK_CCM_8,)).encode())
    (record,) = records(datagram_of([hello]), 8)
    listener.receive(record, "warm up", 0.0)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(2_000):
        answer = listener.receive(record, ("192.0.2.1", number), 0.0)
        assert isinstance(answer, bytes)
        assert len(answer) <= len(datagram_of([hello]))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2_000


def test_a_cookie_is_of_no_use_at_another_address() -> None:
    listener = Listener(0.0)
    hello = ClientHello(RANDOM, (PSK_CCM_8,))
    record = Record(HANDSHAKE, bytes(8), b"", Message(1, 0, hello.encode()).encode())
    answer = listener.receive(record, "mine", 0.0)
    assert isinstance(answer, bytes)
    (request,) = messages_in(answer)
    with_cookie = Message(1, 1, replace(hello, cookie=request.body[3:]).encode()).encode()
    assert isinstance(listener.receive(record._replace(content=with_cookie), "a victim's", 0.0), bytes)
    assert not isinstance(listener.receive(record._replace(content=with_cookie), "mine", 0.0), bytes)


# Reflection, heartbeats, spoofed connection ids


def test_what_a_side_sealed_it_does_not_open(done: Link) -> None:
    client, server = sessions(done)
    for record in (*records(client.seal(b"x"), CID_BYTES), *records(server.seal(b"x"), 0)):
        for session in (client, server):
            mirrored = record._replace(cid=session.own_cid, type=25 if session.own_cid else 23)
            if session.own_cid == record.cid:
                continue
            assert session.open(mirrored) is None


def test_there_is_no_heartbeat(done: Link) -> None:
    """CVE-2014-0160: the extension is never answered, and a heartbeat is a record that nobody reads."""
    assert done.server is not None
    for number, _ in [(24, b"")]:
        done.server.receive(Record(number, bytes(8), b"", b"\x01\x40\x00"))
    assert done.server.outgoing == []


def test_a_record_under_a_strangers_connection_id_is_not_opened(sides: Sides) -> None:
    mine, other = (sides.link(sides.client(PSK_CCM_8)).run() for _ in range(2))
    (client, _), (_, server) = sessions(mine), sessions(other)
    (record,) = records(client.seal(b"x"), CID_BYTES)
    assert server.open(record) is None
    assert server.open(record._replace(cid=server.own_cid)) is None


def test_keys_are_new_for_every_handshake(sides: Sides) -> None:
    blocks = {sides.link(sides.client(suite)).run().client.session._keys.block for suite in (PSK_CCM_8,) * 5}  # type: ignore[union-attr]
    assert len(blocks) == 5
    points = {sides.link(sides.client(0xD001)).greet()._ephemeral.point for _ in range(5)}  # type: ignore[union-attr]
    assert len(points) == 5
    assert all(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point) for point in points)
