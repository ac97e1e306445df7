"""A client and a server in one test, with the datagrams between them in its hands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls12 import (
    CID_BYTES,
    SUITES,
    CertificateType,
    ClientHandshake,
    ClientPolicy,
    ConnectionIds,
    Greeting,
    Listener,
    ServerHandshake,
    ServerPolicy,
    Shown,
    Signer,
    records,
)
from lwm2m_ml.coap.dtls12.listener import is_client_hello

KEY = bytes(range(16))
ADDRESS = ("192.0.2.1", 5684)
MOST_ROUNDS = 60

Disturb = Callable[[str, int, bytes], list[bytes]]
"""What becomes of a datagram: who sent it ("client" or "server"), how many they sent before, the datagram."""


def undisturbed(_sender: str, _number: int, datagram: bytes) -> list[bytes]:
    return [datagram]


@dataclass(frozen=True)
class Known:
    identity: str
    key: bytes = b""


@dataclass
class Link:
    """Carries datagrams both ways until both sides are done; when nothing moves, the timers run out."""

    client: ClientHandshake
    policy: ServerPolicy
    disturb: Disturb = undisturbed
    listener: Listener = field(default_factory=lambda: Listener(0.0))
    server: ServerHandshake | None = None
    sent: dict[str, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    """Everything that was sent, as it was sent."""
    repetitions: int = 0

    def run(self) -> Link:
        for _ in range(MOST_ROUNDS):
            if self.complete:
                return self
            if not self.step():
                self.repetitions += 1
                self.client.repeat()
                if self.server is not None and not self.server.complete:
                    self.server.repeat()
        raise AssertionError("the handshake does not come to an end")

    @property
    def complete(self) -> bool:
        return self.client.complete and self.server is not None and self.server.complete

    def step(self) -> bool:
        """Deliver what both sides have to say now; False when they are silent."""
        moved = False
        for datagram in self._outgoing("client", self.client):
            moved = True
            self.to_server(datagram)
        for datagram in [] if self.server is None else self._outgoing("server", self.server):
            moved = True
            self.to_client(datagram)
        return moved

    def greet(self) -> ServerHandshake:
        """Deliver hello and cookie; the server's first flight is not delivered yet."""
        for _ in range(2):
            for datagram in self._outgoing("client", self.client):
                self.to_server(datagram)
        assert self.server is not None
        return self.server

    def _outgoing(self, sender: str, side: ClientHandshake | ServerHandshake) -> list[bytes]:
        waiting, side.outgoing = side.outgoing, []
        arriving: list[bytes] = []
        for datagram in waiting:
            self.seen.append((sender, datagram))
            arriving += self.disturb(sender, self.sent[sender], datagram)
            self.sent[sender] += 1
        return arriving

    def to_server(self, datagram: bytes) -> None:
        for record in records(datagram, CID_BYTES):
            if is_client_hello(record) and self.server is None:
                answer = self.listener.receive(record, ADDRESS, 0.0)
                if isinstance(answer, Greeting):
                    self.server = answer.begin(self.policy)
                elif answer is not None:
                    self.seen.append(("server", answer))
                    self.to_client(answer)
            elif self.server is not None:
                self.server.receive(record)

    def to_client(self, datagram: bytes) -> None:
        for record in records(datagram, len(self.client.own_cid)):
            self.client.receive(record)


@dataclass
class Sides:
    """Policies of both sides that fit together."""

    server_key: Signer
    client_key: Signer
    granted: list[str] = field(default_factory=list)
    keys: dict[str, bytes] = field(default_factory=lambda: {"device": KEY})
    accepts: bool = True
    cids: ConnectionIds | None = field(default_factory=ConnectionIds)

    def server(self) -> ServerPolicy:
        def find_key(identity: str) -> Known | None:
            key = self.keys.get(identity)
            return None if key is None else Known(f"psk:{identity}", key)

        def judge(shown: Shown) -> Known | None:
            return Known(f"{shown.kind.name}") if self.accepts else None

        return ServerPolicy(find_key, judge, lambda _name: self.server_key, self.cids.new if self.cids else None)

    def client(self, suite: int, kind: CertificateType = CertificateType.RAW_PUBLIC_KEY) -> ClientPolicy:
        if SUITES[suite].key_exchange.has_shared_key:
            return ClientPolicy(b"device", KEY, suites=(suite,))
        return ClientPolicy(
            signer=self.client_key,
            client_types=(kind,),
            server_types=(kind,),
            judge=lambda _shown: True,
            suites=(suite,),
        )

    def link(self, policy: ClientPolicy, disturb: Disturb = undisturbed) -> Link:
        return Link(ClientHandshake(policy), self.server(), disturb)


@pytest.fixture
def sides() -> Sides:
    return Sides(new_signer(), new_signer())


def new_signer() -> Signer:
    return Signer(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def link(sides: Sides) -> Link:
    """PSK with CCM_8, ready to run."""
    return sides.link(sides.client(0xC0A8))


@pytest.fixture
def done(link: Link) -> Link:
    """The same, with the handshake done."""
    return link.run()
