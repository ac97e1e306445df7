"""Handshakes and records that somebody changed on the way, and what must hold whatever they changed.

`play` makes one of them of any bytes: the fuzzer (`fuzz_dtls.py`) chooses the bytes by the code that they reach, the
test draws them by chance. It raises AssertionError for what must not be:

    a crash               anything but HandshakeError, MessageError or UnusableSession comes out
    an accepted forgery   a side completes with other keys than its peer, or opens what its peer did not seal
    growth                more is kept, or sent, than the limits allow
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls import Granted, NoCredentials
from lwm2m_ml.coap.dtls12 import (
    CID_BYTES,
    SUITES,
    CertificateType,
    ClientHandshake,
    ClientPolicy,
    ConnectionIds,
    Greeting,
    HandshakeError,
    Listener,
    Record,
    ServerHandshake,
    ServerPolicy,
    Session,
    Signer,
    UnusableSession,
    records,
)
from lwm2m_ml.coap.dtls12.flights import MOST_ANSWERS
from lwm2m_ml.coap.dtls12.fragments import MOST_AHEAD
from lwm2m_ml.coap.dtls12.handshake import MOST_HANDSHAKE_BYTES, Handshake
from lwm2m_ml.coap.dtls12.numbers import APPLICATION_DATA
from lwm2m_ml.coap.dtls12.session import SessionKeys
from lwm2m_ml.coap.dtls_cid.transport import CidTransport
from lwm2m_ml.coap.fast import FastHandlers
from lwm2m_ml.coap.requester import Requester
from lwm2m_ml.coap.responder import Responder
from lwm2m_ml.coap.settings import CoapSettings

KEY = bytes(range(16))
ADDRESS, ELSEWHERE = ("192.0.2.1", 5684), ("192.0.2.2", 5684)
PSK, ECDHE_PSK, ECDSA = 0xC0A8, 0xD001, 0xC0AE
SUITES_BY_CHANCE = (PSK,) * 6 + (ECDHE_PSK,) * 2 + (ECDSA,)
"""The more an exchange costs, the rarer it is: what is parsed is nearly the same."""
CID, BLOCK = b"\x00\x07abcdef", bytes(range(40))
SAID = [b"", b"a", b"\x40\x01\x00\x01\xb3who", bytes(200)]
MOST_CHANGES = 6
MOST_PENDING = 8


class Choices:
    """Decisions read off some bytes; when they are used up, everything is 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, limit: int) -> int:
        """0 to below the limit, at most 65,535."""
        taken = self._data[self._at : self._at + 2]
        self._at += 2
        return int.from_bytes(taken) % limit

    def bytes(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken


def changed(choices: Choices, datagram: bytes) -> bytes:
    """The datagram after a few changes, or none."""
    data = bytearray(datagram)
    for _ in range(choices.number(MOST_CHANGES)):
        CHANGES[choices.number(len(CHANGES))](choices, data)
    return bytes(data)


def _flip(choices: Choices, data: bytearray) -> None:
    if data:
        data[choices.number(len(data))] ^= 1 << choices.number(8)


def _set(choices: Choices, data: bytearray) -> None:
    if data:
        data[choices.number(len(data))] = (0, 1, 0x7F, 0x80, 0xFE, 0xFF, 20, 22)[choices.number(8)]


def _cut_out(choices: Choices, data: bytearray) -> None:
    start = choices.number(len(data) + 1)
    del data[start : start + choices.number(32)]


def _put_in(choices: Choices, data: bytearray) -> None:
    start = choices.number(len(data) + 1)
    data[start:start] = choices.bytes(choices.number(24))


def _double(choices: Choices, data: bytearray) -> None:
    start = choices.number(len(data) + 1)
    data[start:start] = data[start : start + choices.number(64)]


def _cut_off(choices: Choices, data: bytearray) -> None:
    del data[choices.number(len(data) + 1) :]


def _append(choices: Choices, data: bytearray) -> None:
    data += choices.bytes(choices.number(64))


def _count_up(choices: Choices, data: bytearray) -> None:
    """Change a length, an offset or a number a little."""
    if data:
        place = choices.number(len(data))
        data[place] = (data[place] + choices.number(5) - 2) & 0xFF


CHANGES: tuple[Callable[[Choices, bytearray], None], ...] = (
    _flip, _set, _cut_out, _put_in, _double, _cut_off, _append, _count_up,
)  # fmt: skip


# Both sides


def _signer() -> Signer:
    return Signer(ec.generate_private_key(ec.SECP256R1()))


SERVER_KEY, CLIENT_KEY = _signer(), _signer()
SERVER_POLICY = ServerPolicy(
    lambda identity: Granted(f"psk:{identity}", KEY) if identity == "device" else None,
    lambda shown: Granted("rpk") if shown.entries == CLIENT_KEY.shown_as(shown.kind).entries else None,
    lambda _name: SERVER_KEY,
    ConnectionIds(7).new,
)
_RAW = (CertificateType.RAW_PUBLIC_KEY,)


def client_policy(suite: int) -> ClientPolicy:
    if SUITES[suite].key_exchange.has_shared_key:
        return ClientPolicy(b"device", KEY, suites=(suite,))
    expected = SERVER_KEY.shown_as(CertificateType.RAW_PUBLIC_KEY)
    return ClientPolicy(
        signer=CLIENT_KEY, client_types=_RAW, server_types=_RAW, judge=lambda shown: shown == expected, suites=(suite,)
    )


@dataclass
class Pair:
    """A handshake of which some flight does not arrive as it was sent."""

    client: ClientHandshake
    listener: Listener = field(default_factory=lambda: Listener(0.0))
    server: ServerHandshake | None = None

    def to_server(self, datagram: bytes) -> None:
        for record in records(datagram, CID_BYTES):
            if self.server is None:
                answer = self.listener.receive(record, ADDRESS, 0.0)
                if isinstance(answer, Greeting):
                    self.server = answer.begin(SERVER_POLICY)
                elif answer is not None:
                    assert len(answer) <= 13 + len(record.content) + 60, "a stranger draws more than it sent"
                    self.to_client(answer)
            else:
                self.server.receive(record)

    def to_client(self, datagram: bytes) -> None:
        for record in records(datagram, len(self.client.own_cid)):
            self.client.receive(record)

    def exchange(self, change: Callable[[bytes], bytes], flight: int) -> None:
        """Go on until nobody says anything; the datagrams of one flight are changed."""
        for number in range(6):
            side: Handshake | None = self.server if number in (3, 5) else self.client
            deliver = self.to_client if number in (3, 5) else self.to_server
            if side is None or number == 1:
                continue
            waiting, side.outgoing = side.outgoing, []
            for datagram in waiting:
                deliver(change(datagram) if number == flight else datagram)
        self.check()

    def check(self) -> None:
        for side in filter(None, (self.client, self.server)):
            kept = side._reassembly
            assert kept._size() <= MOST_HANDSHAKE_BYTES
            assert len(kept._partial) <= MOST_AHEAD
            assert len(side.outgoing) <= 8 * (MOST_ANSWERS + 1), "a flight is repeated without end"
        client, server = self.client.session, None if self.server is None else self.server.session
        if self.client.complete or (self.server is not None and self.server.complete):
            assert client is not None
            assert server is not None
            assert client._keys.block == SessionKeys.of(server.suite, server._keys.block, server=False).block
            assert client.peer_cid == server.own_cid, "completed under another connection id"


def handshake(choices: Choices) -> None:
    """A whole handshake, with changes in one of its flights."""
    pair = Pair(ClientHandshake(client_policy(SUITES_BY_CHANCE[choices.number(len(SUITES_BY_CHANCE))])))
    flight = (0, 2, 3, 4, 5)[choices.number(5)]
    try:
        pair.exchange(lambda datagram: changed(choices, datagram), flight)
    except HandshakeError:
        pair.check()


def hello(choices: Choices) -> None:
    """A ClientHello of a stranger, with somebody else's cookie."""
    listener, genuine = Listener(0.0), ClientHandshake(client_policy(PSK)).outgoing[0]
    for record in records(changed(choices, genuine), CID_BYTES):
        answer = listener.receive(record, ADDRESS, 0.0)
        assert not isinstance(answer, Greeting), "a cookie that was never given out is good"


def raw(choices: Choices) -> None:
    """Bytes of no origin, to a server in the middle of a handshake."""
    pair = Pair(ClientHandshake(client_policy(PSK)))
    pair.to_server(pair.client.outgoing[0])
    pair.to_server(pair.client.outgoing[-1])
    server = pair.server
    assert server is not None
    try:
        for record in records(choices.bytes(4096), CID_BYTES):
            server.receive(record)
    except HandshakeError:
        pass
    pair.check()
    assert not server.complete


# Sessions


def sessions(suite: int, cid: bytes) -> tuple[Session, Session]:
    client, server = (SessionKeys.of(SUITES[suite], BLOCK, server=one) for one in (False, True))
    return Session(client, b"", cid), Session(server, cid, b"")


def sealed(choices: Choices) -> None:
    """Records of a session, changed, doubled and out of order; each is opened once, and only as it was sealed."""
    cid = (CID, b"")[choices.number(2)]
    client, server = sessions((PSK, 0xC0A4, 0x00A8)[choices.number(3)], cid)
    genuine: dict[Record, bytes] = {}
    for content in SAID:
        (record,) = records(client.seal(content), len(cid))
        genuine[record] = content
    ordered = list(genuine)
    for _ in range(len(ordered) + 2):
        record = ordered[choices.number(len(ordered))]
        head = bytes((record.type,)) + record.version + record.number + record.cid
        datagram = changed(choices, head + len(record.content).to_bytes(2) + record.content)
        for arrived in records(datagram, len(cid)):
            opened = server.open(arrived)
            if opened is not None:
                said = genuine.pop(arrived, None)
                assert opened[:2] == (APPLICATION_DATA, said), "opened what was not sealed, or twice"


def at_rest(choices: Choices) -> None:
    """A session at rest that was damaged."""
    client, _ = sessions(PSK, CID)
    try:
        Session.resume(changed(choices, client.export()), range(1)).seal(b"x")
    except UnusableSession:
        return


# The whole transport


class Keys(NoCredentials):
    def pre_shared_key(self, identity: str) -> Granted | None:
        return Granted(f"psk:{identity}", KEY) if identity == "device" else None


class Sink:
    """Takes what the transport sends."""

    def __init__(self) -> None:
        self.sent: dict[Any, int] = {}

    def is_closing(self) -> bool:
        return False

    def sendto(self, datagram: bytes, address: Any) -> None:
        self.sent[address] = self.sent.get(address, 0) + len(datagram)


class Whole:
    """A transport with one session, that hears datagrams from its peer's address and from another."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.transport = self.loop.run_until_complete(self._made())
        self.transport._transport = self.sink = Sink()
        self.played = 0

    async def _made(self) -> CidTransport:
        settings = CoapSettings(maximum_handshakes=MOST_PENDING)
        responder = Responder(settings, FastHandlers(), lambda _request, incoming: incoming.reply(0x84, b""))
        return CidTransport(settings, Requester(settings), responder, Keys())

    def play(self, choices: Choices) -> None:
        client, server = sessions(PSK, CID)
        peer = self.transport.new_peer(ADDRESS, "psk:device")
        for earlier in self.transport._peers.all():
            self.transport._peers.forget(earlier)
        self.transport._peers.establish(peer, server)
        self.sink.sent.clear()
        received = 0
        for _ in range(1 + choices.number(3)):
            address = (ADDRESS, ELSEWHERE)[choices.number(2)]
            genuine = client.seal(SAID[choices.number(len(SAID))]) if choices.number(4) else choices.bytes(200)
            datagram = changed(choices, genuine)
            received += len(datagram) if address == ELSEWHERE else 0
            self.transport.datagram_received(datagram, address)
        assert len(self.transport._peers) <= 1
        assert len(self.transport._handshakes.all()) <= MOST_PENDING
        assert peer.socket_address == ADDRESS, "moved without proof"
        assert self.sink.sent.get(ELSEWHERE, 0) <= 3 * received + 60, "draws more than three times what came"
        self.transport._peers.forget(peer)
        self.played += 1
        if self.played % 500 == 0:
            for pending in self.transport._handshakes.all():
                self.transport._handshakes._end(pending)
            self.loop.run_until_complete(asyncio.sleep(0))

    def close(self) -> None:
        for pending in self.transport._handshakes.all():
            self.transport._handshakes._end(pending)
        self.loop.close()


SCENARIOS: tuple[Callable[[Choices], None], ...] = (handshake, handshake, hello, raw, sealed, sealed, at_rest)


def play(data: bytes, whole: Whole) -> None:
    """Play the game that these bytes choose; raises AssertionError for what must not be."""
    choices = Choices(data)
    chosen = choices.number(len(SCENARIOS) + 2)
    if chosen < len(SCENARIOS):
        SCENARIOS[chosen](choices)
    else:
        whole.play(choices)
