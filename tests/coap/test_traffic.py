"""Every byte that an endpoint takes and sends is counted, by transport."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiocoap
import pytest

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.codec import RawMessage, encode
from lwm2m_ml.coap.dtls import PreSharedKey, ServerCredential
from lwm2m_ml.coap.tcp.framing import encode_frame
from lwm2m_ml.coap.tcp.signalling import CSM, PING

if TYPE_CHECKING:
    from tests.coap.conftest import Bind, RawPeer, Store

BODY = b"twelve bytes"
PING_DATAGRAM = b"\x40\x00\x00\x01"
WAIT = 5.0
KEY = bytes(range(16))


def body(_request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, BODY)


@pytest.mark.parametrize("batches", [False, True])
async def test_datagrams_are_counted_as_they_are_on_the_wire(bind: Bind, peer: RawPeer, batches: bool) -> None:
    handlers = FastHandlers()
    handlers.add(aiocoap.GET, "body", body)
    endpoint = await bind(fast_handlers=handlers, settings=CoapSettings(batches=batches))
    ask = encode(RawMessage(0, int(aiocoap.GET), 1, b"t", [(11, b"body")]))
    sent = got = 0
    for datagram in (ask, ask, PING_DATAGRAM):
        await peer.send(endpoint.local_address, datagram)
        sent += len(datagram)
        got += len((await peer.receive_bytes())[0])
    assert got > 2 * len(BODY)
    assert endpoint.traffic == {("coap", "in"): sent, ("coap", "out"): got}


async def test_datagrams_that_are_refused_count_too(bind: Bind, peer: RawPeer) -> None:
    endpoint = await bind()
    await peer.send(endpoint.local_address, b"\xff" * 100)
    answer = await peer.ask(endpoint.local_address, PING_DATAGRAM)
    assert endpoint.traffic == {("coap", "in"): 104, ("coap", "out"): len(encode(answer))}


async def test_a_stream_is_counted_as_it_is_on_the_wire() -> None:
    async with CoapEndpoint() as endpoint:
        reader, writer = await asyncio.open_connection(*await endpoint.listen_tcp("127.0.0.1", 0))
        sent = encode_frame(CSM, b"", b"") + encode_frame(PING, b"t", b"")
        writer.write(sent)
        writer.write_eof()
        got = await asyncio.wait_for(reader.read(), WAIT)
        writer.close()
        assert endpoint.traffic == {("coap+tcp", "in"): len(sent), ("coap+tcp", "out"): len(got)}


class Tap(asyncio.DatagramProtocol):
    """Stands between a client and a server, and counts what passes."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.client: tuple[str, int] | None = None
        self.to_server = self.to_client = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr == self.server:
            self.to_client += len(data)
            self.transport.sendto(data, self.client)
        else:
            self.client = addr
            self.to_server += len(data)
            self.transport.sendto(data, self.server)


@pytest.mark.parametrize("listen", [CoapEndpoint.listen_dtls, CoapEndpoint.listen_dtls_cid])
async def test_dtls_is_counted_with_its_handshakes(listen: object, store: Store) -> None:
    store.keys["dev"] = KEY
    handlers = FastHandlers()
    handlers.add(aiocoap.GET, "body", body)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(CoapEndpoint(fast_handlers=handlers))
        client = await stack.enter_async_context(CoapEndpoint())
        await listen(server, "127.0.0.1", 0, store)  # type: ignore[operator]
        loop = asyncio.get_running_loop()
        transport, tap = await loop.create_datagram_endpoint(
            lambda: Tap(server.address("coaps")), local_addr=("127.0.0.1", 0)
        )
        stack.callback(transport.close)
        own = type(store)(credential=ServerCredential(PreSharedKey("dev", KEY), None))
        await client.listen_dtls("127.0.0.1", 0, own)
        remote = await client.connect("coaps", *transport.get_extra_info("sockname"))
        request = aiocoap.Message(code=aiocoap.GET, uri_path=["body"])
        request.remote = remote
        answer = await client.request(request, timeout=WAIT)
        assert answer.payload == BODY
        counted = {("coaps", "in"): tap.to_server, ("coaps", "out"): tap.to_client}
        assert server.traffic == counted
        assert tap.to_server > remote.bytes_out > 0
        assert client.traffic == {("coaps", "in"): tap.to_client, ("coaps", "out"): tap.to_server}
