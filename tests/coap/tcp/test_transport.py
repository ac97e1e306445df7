"""CoAP over TCP and TLS, with stock aiocoap, with ourselves, and by hand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiocoap
import pytest
from aiocoap import resource
from cryptography.hazmat.primitives import serialization

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse, NetworkError
from lwm2m_ml.coap.dtls import CertificateUsage, OwnCertificate, TrustedPeer
from lwm2m_ml.coap.tcp.framing import Frame, FrameReader, encode_frame
from lwm2m_ml.coap.tcp.signalling import ABORT, CSM, PING, PONG, RELEASE
from lwm2m_ml.coap.tcp.tls import TlsSettings

if TYPE_CHECKING:
    from tests.coap.conftest import Issuer, Store

BODY = bytes(range(256)) * 20
WAIT = 5.0

Listen = Callable[..., Awaitable[CoapEndpoint]]


class Value(resource.ObservableResource):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.value = b"1"
        self.abandoned = asyncio.Event()

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.value)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.value = request.payload
        return aiocoap.Message()

    def update_observation_count(self, newcount: int) -> None:
        if newcount == 0:
            self.abandoned.set()

    def change(self, value: bytes) -> None:
        self.value = value
        self.updated_state()


def who(request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, f"{request.remote.identity}".encode())


def large(_request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, BODY)


@pytest.fixture
def value() -> Value:
    return Value()


@pytest.fixture
async def listen(value: Value) -> AsyncIterator[Listen]:
    endpoints: list[CoapEndpoint] = []

    async def listen_one(tls: TlsSettings | None = None, **settings: Any) -> CoapEndpoint:
        handlers = FastHandlers()
        handlers.add(aiocoap.GET, "who", who)
        handlers.add(aiocoap.GET, "large", large)
        site = resource.Site()
        site.add_resource(["value"], value)
        endpoint = CoapEndpoint(site=site, fast_handlers=handlers, settings=CoapSettings(**settings))
        endpoints.append(endpoint)
        if tls is None:
            await endpoint.listen_tcp("127.0.0.1", 0)
        else:
            await endpoint.listen_tls("127.0.0.1", 0, tls)
        return endpoint

    yield listen_one
    for endpoint in reversed(endpoints):
        await endpoint.close()


def message(code: aiocoap.Code, endpoint: CoapEndpoint, path: str, payload: bytes = b"") -> aiocoap.Message:
    host, port = endpoint.local_address
    scheme = next(iter(endpoint._transports))
    return aiocoap.Message(code=code, uri=f"{scheme}://{host}:{port}/{path}", payload=payload)


async def test_bodies_of_any_size_pass_both_ways(listen: Listen) -> None:
    server, client = await listen(), await listen()
    assert (await client.request(message(aiocoap.GET, server, "large"))).payload == BODY
    assert (await client.request(message(aiocoap.PUT, server, "value", BODY))).code == aiocoap.CHANGED
    assert (await client.request(message(aiocoap.GET, server, "value"))).payload == BODY


async def test_the_server_asks_over_the_connection_of_the_device(listen: Listen) -> None:
    server, device = await listen(), await listen()
    await device.request(message(aiocoap.GET, server, "who"))
    connection = next(iter(server._transports["coap+tcp"]._connections.values()))  # type: ignore[attr-defined]
    question = aiocoap.Message(code=aiocoap.GET, uri_path=["value"])
    question.remote = connection.remote
    assert (await server.request(question)).payload == b"1"


async def test_notifications_arrive_although_observe_counts_nothing(listen: Listen, value: Value) -> None:
    """RFC 8323 §7.1: the sequence number has no meaning over TCP."""
    server, client = await listen(), await listen()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    observation = await client.observe(
        message(aiocoap.GET, server, "value"), lambda notification: heard.put_nowait(notification.payload)
    )
    observation._sequence = 1 << 20
    for text in (b"2", b"3"):
        value.change(text)
        assert await asyncio.wait_for(heard.get(), WAIT) == text
    await observation.cancel()
    await asyncio.wait_for(value.abandoned.wait(), WAIT)


async def test_a_lost_connection_ends_observations_and_requests(listen: Listen, value: Value) -> None:
    server, client = await listen(), await listen()
    observation = await client.observe(message(aiocoap.GET, server, "value"), lambda _: None)
    connection = next(iter(client._transports["coap+tcp"]._connections.values()))  # type: ignore[attr-defined]
    connection.cut()
    await asyncio.wait_for(value.abandoned.wait(), WAIT)
    await asyncio.wait_for(connection.closed, WAIT)
    assert not observation.active


async def test_a_stock_client_is_understood(listen: Listen, value: Value) -> None:
    server = await listen()
    context = await aiocoap.Context.create_client_context(transports=["tcpclient"])
    try:
        assert (await context.request(message(aiocoap.GET, server, "large")).response).payload == BODY
        put = context.request(message(aiocoap.PUT, server, "value", BODY))
        assert (await put.response).code == aiocoap.CHANGED
        assert value.value == BODY
    finally:
        await context.shutdown()


async def test_a_stock_server_understands_us(listen: Listen, value: Value, unused_port: int) -> None:
    site = resource.Site()
    site.add_resource(["value"], value)
    context = await aiocoap.Context.create_server_context(
        site, bind=("127.0.0.1", unused_port), transports=["tcpserver"]
    )
    client = await listen()
    try:
        request = aiocoap.Message(code=aiocoap.PUT, uri=f"coap+tcp://127.0.0.1:{unused_port}/value", payload=BODY)
        assert (await client.request(request)).code == aiocoap.CHANGED
        request = aiocoap.Message(code=aiocoap.GET, uri=f"coap+tcp://127.0.0.1:{unused_port}/value")
        assert (await client.request(request)).payload == BODY
    finally:
        await client.close()
        await context.shutdown()


async def test_nobody_listening_is_a_network_error(listen: Listen, unused_port: int) -> None:
    client = await listen()
    with pytest.raises((NetworkError, aiocoap.error.ResolutionError)):
        await client.request(aiocoap.Message(code=aiocoap.GET, uri=f"coap+tcp://127.0.0.1:{unused_port}/"))


# By hand


class Stream:
    """A peer that writes frames by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.frames = FrameReader(100_000)
        self.waiting: list[Frame] = []

    def send(self, code: int, token: bytes = b"", body: bytes = b"") -> None:
        self.writer.write(encode_frame(code, token, body))

    async def receive(self) -> Frame | None:
        while not self.waiting:
            data = await asyncio.wait_for(self.reader.read(4096), WAIT)
            if not data:
                return None
            self.waiting.extend(self.frames.feed(data))
        return self.waiting.pop(0)

    async def ends(self) -> bool:
        """Whether the peer ends the connection, in order or not, without another message."""
        try:
            return await self.receive() is None
        except ConnectionResetError:
            return True


Connect = Callable[[CoapEndpoint], Awaitable[Stream]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    streams: list[Stream] = []

    async def connect_one(endpoint: CoapEndpoint) -> Stream:
        stream = Stream(*await asyncio.open_connection(*endpoint.local_address))
        streams.append(stream)
        return stream

    yield connect_one
    for stream in streams:
        stream.writer.transport.abort()


async def code_after_csm(stream: Stream) -> int:
    own = await stream.receive()
    assert own is not None
    assert own.code == CSM
    answer = await stream.receive()
    assert answer is not None
    return answer.code


async def test_a_first_message_that_is_no_csm_is_aborted(listen: Listen, connect: Connect) -> None:
    stream = await connect(await listen())
    stream.send(1, b"t", b"\xb3who")
    assert await code_after_csm(stream) == ABORT
    assert await stream.receive() is None


async def test_a_ping_is_answered(listen: Listen, connect: Connect) -> None:
    stream = await connect(await listen())
    stream.send(CSM)
    stream.send(PING, b"abc")
    assert (await stream.receive() or Frame(0, b"", b"")).code == CSM
    assert await stream.receive() == Frame(PONG, b"abc", b"")


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(encode_frame(CSM, b"", b"\x10"), id="unknown critical CSM option"),
        pytest.param(b"\xf0\x7f\xff\xff\xff", id="a message of two gigabytes"),
        pytest.param(encode_frame(CSM, b"", b"") + encode_frame(1, b"t", b"\xff"), id="marker without payload"),
        pytest.param(b"\x0f\x01" + bytes(20), id="token length 15"),
    ],
)
async def test_what_is_malformed_is_aborted(listen: Listen, connect: Connect, frame: bytes) -> None:
    stream = await connect(await listen())
    stream.writer.write(frame)
    assert await code_after_csm(stream) == ABORT
    assert await stream.receive() is None


async def test_a_silent_peer_is_pinged_then_cut_off(listen: Listen, connect: Connect) -> None:
    stream = await connect(await listen(keep_alive=0.02, pong_timeout=0.05))
    stream.send(CSM)
    assert await code_after_csm(stream) == PING
    assert await stream.ends()


async def test_a_peer_that_never_sends_a_csm_is_aborted(listen: Listen, connect: Connect) -> None:
    stream = await connect(await listen(csm_timeout=0.02))
    assert await code_after_csm(stream) == ABORT


async def test_connections_beyond_the_limit_are_refused(listen: Listen, connect: Connect) -> None:
    server = await listen(maximum_connections=1)
    first = await connect(server)
    assert (await first.receive() or Frame(0, b"", b"")).code == CSM
    second = await connect(server)
    assert await second.ends()


async def test_closing_releases_the_connection(listen: Listen, connect: Connect) -> None:
    server = await listen()
    stream = await connect(server)
    stream.send(CSM)
    closing = asyncio.create_task(server.close())
    assert await code_after_csm(stream) == RELEASE
    stream.writer.close()
    await closing


# TLS


def pem(own: OwnCertificate, path: Path) -> Path:
    key = own.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(own.certificate.public_bytes(serialization.Encoding.PEM) + key)
    return path


def contexts(issuer: Issuer, own: OwnCertificate, path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = issuer.own.certificate.public_bytes(serialization.Encoding.PEM).decode()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (server, client):
        context.load_verify_locations(cadata=authority)
        context.load_cert_chain(pem(own, path))
    return server, client


async def test_a_device_with_a_certificate_is_known_over_tls(
    listen: Listen, store: Store, issuer: Issuer, tmp_path: Path
) -> None:
    store.peers["device-7"] = TrustedPeer(issuer.own.certificate, CertificateUsage.TRUST_ANCHOR_ASSERTION)
    server_tls, _ = contexts(issuer, issuer.issue("server"), tmp_path / "server.pem")
    _, client_tls = contexts(issuer, issuer.issue("device-7"), tmp_path / "device.pem")
    server = await listen(TlsSettings(store, server=server_tls))
    client = await listen(TlsSettings(store, server=server_tls, client=client_tls))
    assert (await client.request(message(aiocoap.GET, server, "who"))).payload == b"x509:device-7"


async def test_a_certificate_that_the_store_does_not_know_is_refused_over_tls(
    listen: Listen, store: Store, issuer: Issuer, tmp_path: Path
) -> None:
    server_tls, _ = contexts(issuer, issuer.issue("server"), tmp_path / "server.pem")
    _, client_tls = contexts(issuer, issuer.issue("device-8"), tmp_path / "device.pem")
    server = await listen(TlsSettings(store, server=server_tls))
    client = await listen(TlsSettings(store, server=server_tls, client=client_tls))
    with pytest.raises(NetworkError):
        await client.request(message(aiocoap.GET, server, "who"))
