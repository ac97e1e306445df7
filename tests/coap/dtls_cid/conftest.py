"""Endpoints over DTLS with connection ids, and a NAT between them that forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import aiocoap
import pytest
from aiocoap import resource
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap import (
    CoapEndpoint,
    CoapSettings,
    FastAnswer,
    FastHandlers,
    FastRequest,
    FastResponse,
    PendingResponse,
    Remote,
)
from lwm2m_ml.coap.dtls import OwnCertificate, OwnKey, PreSharedKey, ServerCredential, TrustedKey, TrustedPeer
from lwm2m_ml.coap.dtls_cid import SessionStates
from lwm2m_ml.coap.dtls_cid.stored import HolderOf
from lwm2m_ml.coap.dtls_cid.transport import CidTransport

if TYPE_CHECKING:
    from tests.coap.conftest import Store

KEY = b"0123456789abcdef"
SETTINGS = CoapSettings(ack_timeout=0.2, minimum_timeout=0.2, max_retransmit=2, handshake_timeout=2.5)
BODY = bytes(range(256)) * 20

Listen = Callable[..., Awaitable[CoapEndpoint]]


def who(request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, f"{request.remote.identity}".encode())


def large(_request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, BODY)


def slow(_request: FastRequest) -> FastAnswer:
    """The same, a little later for each block."""
    answer = PendingResponse()
    asyncio.get_running_loop().call_later(0.03, answer.give, FastResponse(0x45, BODY))
    return answer


class Value(resource.ObservableResource):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.value = b"1"

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.value)

    def change(self, value: bytes) -> None:
        self.value = value
        self.updated_state()


@dataclass
class Nat(asyncio.DatagramProtocol):
    """Stands before a server and forwards datagrams, each time it forgot from another port of its own."""

    server: tuple[str, int]
    inside: Any = None
    outside: Any = None
    device: tuple[str, int] = ("", 0)
    sent: list[bytes] = field(default_factory=list)
    """What devices sent, to be sent again by who listens in."""
    stops_outwards: bool = False

    def connection_made(self, transport: Any) -> None:
        self.inside = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.device = addr
        self.sent.append(data)
        if not self.stops_outwards:
            self.outside.sendto(data, self.server)

    async def forget(self) -> None:
        """Another binding from now on; what comes to the old one is lost."""
        before = self.outside
        self.outside, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Inwards(self), local_addr=("127.0.0.1", 0)
        )
        if before is not None:
            before.close()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.inside.get_extra_info("sockname")
        return host, port

    def close(self) -> None:
        self.inside.close()
        self.outside.close()


class Inwards(asyncio.DatagramProtocol):
    def __init__(self, nat: Nat) -> None:
        self.nat = nat

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        self.nat.inside.sendto(data, self.nat.device)


@pytest.fixture
def value() -> Value:
    return Value()


@pytest.fixture
async def listen(value: Value) -> AsyncIterator[Listen]:
    endpoints: list[CoapEndpoint] = []

    async def listen_one(
        store: Store,
        own: OwnCertificate | OwnKey | None = None,
        named: dict[str, OwnCertificate] | None = None,
        settings: CoapSettings = SETTINGS,
        states: SessionStates | None = None,
        engine: str = "cid",
        host: str = "127.0.0.1",
        holder_of: HolderOf | None = None,
    ) -> CoapEndpoint:
        handlers = FastHandlers()
        handlers.add(aiocoap.GET, "who", who)
        handlers.add(aiocoap.GET, "large", large)
        handlers.add(aiocoap.GET, "slow", slow)
        site = resource.Site()
        site.add_resource(["value"], value)
        endpoint = CoapEndpoint(site=site, fast_handlers=handlers, settings=settings)
        endpoints.append(endpoint)
        if engine == "openssl":
            assert own is None or isinstance(own, OwnCertificate)
            await endpoint.listen_dtls("127.0.0.1", 0, store, own, named=named)
        else:
            await endpoint.listen_dtls_cid(host, 0, store, own, named=named, states=states, holder_of=holder_of)
        return endpoint

    yield listen_one
    for endpoint in reversed(endpoints):
        await endpoint.close()


@pytest.fixture
async def server(listen: Listen, store: Store) -> CoapEndpoint:
    store.keys["device-1"] = KEY
    return await listen(store)


@pytest.fixture
async def nat(server: CoapEndpoint) -> AsyncIterator[Nat]:
    _, nat = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Nat(server.local_address), local_addr=("127.0.0.1", 0)
    )
    await nat.forget()
    yield nat
    nat.close()


StartDevice = Callable[..., Awaitable[CoapEndpoint]]


@pytest.fixture
def device(listen: Listen, store: Store) -> StartDevice:
    """A device with a key, ready to connect."""

    async def start(
        identity: str = "device-1",
        key: bytes = KEY,
        *,
        secret: OwnCertificate | OwnKey | None = None,
        expects: TrustedPeer | TrustedKey | None = None,
        **options: Any,
    ) -> CoapEndpoint:
        credential = ServerCredential(secret or PreSharedKey(identity, key), expects)
        return await listen(type(store)(credential=credential), **options)

    return start


def transport_of(endpoint: CoapEndpoint) -> CidTransport:
    transport = endpoint._transports["coaps"]
    assert isinstance(transport, CidTransport)
    return transport


@pytest.fixture
def transport(server: CoapEndpoint) -> CidTransport:
    return transport_of(server)


@pytest.fixture
def transports() -> Callable[[CoapEndpoint], CidTransport]:
    return transport_of


Get = Callable[..., aiocoap.Message]


@pytest.fixture
def get(server: CoapEndpoint) -> Get:
    def request(path: str, to: tuple[str, int] | Remote | None = None) -> aiocoap.Message:
        if isinstance(to, Remote):
            message = aiocoap.Message(code=aiocoap.GET, uri_path=(path,))
            message.remote = to
            return message
        host, port = to or server.local_address
        return aiocoap.Message(code=aiocoap.GET, uri=f"coaps://{host}:{port}/{path}")

    return request


@pytest.fixture
def raw_key() -> OwnKey:
    return OwnKey(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def patient() -> CoapSettings:
    return replace(SETTINGS, handshake_timeout=60.0)
