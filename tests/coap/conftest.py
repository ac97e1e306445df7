"""A raw peer in lock-step, endpoints that close by themselves, credentials and certificates made on the spot."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap import CoapEndpoint, CoapSettings
from lwm2m_ml.coap.codec import RawMessage, encode, parse
from lwm2m_ml.coap.dtls import Granted, OwnCertificate, PeerCertificate, ServerCredential, TrustedPeer

WAIT = 5.0


class RawPeer:
    """One UDP socket that speaks CoAP by hand."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.loop = asyncio.get_running_loop()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    async def send(self, to: tuple[str, int], message: RawMessage | bytes) -> None:
        datagram = message if isinstance(message, bytes) else encode(message)
        await self.loop.sock_sendto(self.socket, datagram, to)

    async def receive_bytes(self) -> tuple[bytes, tuple[str, int]]:
        return await asyncio.wait_for(self.loop.sock_recvfrom(self.socket, 65536), WAIT)

    async def receive(self) -> RawMessage:
        return parse((await self.receive_bytes())[0])

    async def receive_from(self) -> tuple[RawMessage, tuple[str, int]]:
        datagram, address = await self.receive_bytes()
        return parse(datagram), address

    async def ask(self, to: tuple[str, int], message: RawMessage | bytes) -> RawMessage:
        await self.send(to, message)
        return await self.receive()

    async def hears_nothing(self, to: tuple[str, int]) -> bool:
        """Whether nothing was sent before the answer to a ping that is sent now."""
        answer = await self.ask(to, b"\x40\x00\xfe\xfe")
        return answer == RawMessage(3, 0, 0xFEFE)


@pytest.fixture
async def peer() -> AsyncIterator[RawPeer]:
    raw = RawPeer()
    yield raw
    raw.socket.close()


@pytest.fixture
async def other_peer() -> AsyncIterator[RawPeer]:
    raw = RawPeer()
    yield raw
    raw.socket.close()


@pytest.fixture
def quick() -> CoapSettings:
    """Time-outs that let a test see a lost peer."""
    return CoapSettings(ack_timeout=0.03, minimum_timeout=0.03, max_retransmit=2, response_timeout=0.3)


Bind = Callable[..., Awaitable[CoapEndpoint]]


@pytest.fixture
async def bind() -> AsyncIterator[Bind]:
    endpoints: list[CoapEndpoint] = []

    async def bind_one(**options: Any) -> CoapEndpoint:
        endpoint = await CoapEndpoint.bind("127.0.0.1", 0, **options)
        endpoints.append(endpoint)
        return endpoint

    yield bind_one
    for endpoint in endpoints:
        await endpoint.close()


@pytest.fixture
def unused_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# Credentials


@dataclass
class Store:
    """A credential lookup that tests fill."""

    keys: dict[str, bytes] = field(default_factory=dict)
    peers: dict[str, TrustedPeer] = field(default_factory=dict)
    public_keys: dict[str, bytes] = field(default_factory=dict)
    credential: ServerCredential | None = None

    def pre_shared_key(self, identity: str) -> Granted | None:
        key = self.keys.get(identity)
        return None if key is None else Granted(f"psk:{identity}", key)

    def certificate(self, peer: PeerCertificate) -> Granted | None:
        for name, trusted in self.peers.items():
            if trusted.accepts(peer):
                return Granted(f"x509:{name}")
        return None

    def raw_public_key(self, key: bytes) -> Granted | None:
        return next((Granted(f"rpk:{name}") for name, known in self.public_keys.items() if known == key), None)

    def is_valid(self, identity: str) -> bool:
        return identity.removeprefix("psk:") in self.keys or identity.removeprefix("x509:") in self.peers

    def server(self, host: str, port: int) -> ServerCredential | None:
        return self.credential


@dataclass(frozen=True)
class Issuer:
    """A certificate authority."""

    own: OwnCertificate

    def issue(
        self, name: str, *, days: int = 1, curve: ec.EllipticCurve | None = None, aliases: Iterable[str] = ()
    ) -> OwnCertificate:
        key = ec.generate_private_key(curve or ec.SECP256R1())
        subject, signs = self.own.certificate.subject, self.own.private_key
        return OwnCertificate(_certificate(name, key, subject, signs, days=days, aliases=aliases), key, self.own.chain)

    def appoint(self, name: str) -> Issuer:
        """An authority below this one; what it issues comes with the certificates up to the first."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, self.own.certificate.subject, self.own.private_key, authority=True)
        return Issuer(OwnCertificate(certificate, key, (certificate, *self.own.chain)))


def _certificate(name: str, key, issuer, issuer_key, *, days=1, authority=False, aliases=()) -> x509.Certificate:  # type: ignore[no-untyped-def]
    names = map(x509.DNSName, (name, *aliases))
    now = datetime.datetime.now(datetime.UTC)
    begin = now - datetime.timedelta(days=2)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([*names, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def new_issuer(name: str) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return Issuer(OwnCertificate(_certificate(name, key, subject, key, authority=True), key))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def issuer() -> Issuer:
    return new_issuer("factory")


@pytest.fixture
def other_issuer() -> Issuer:
    return new_issuer("stranger")
