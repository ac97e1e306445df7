"""Many datagrams per system call: the same behaviour as one by one."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiocoap
import pytest

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.batches import library
from lwm2m_ml.coap.batches.transport import BatchTransport, _to_address, _to_name
from lwm2m_ml.coap.remote import Remote

SETTINGS = CoapSettings(batches=True, amplification_factor=0)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    try:
        library.load()
    except library.BatchesUnavailable as error:
        pytest.skip(str(error))


def echo(request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, request.payload)


@contextlib.asynccontextmanager
async def bound(host: str = "127.0.0.1") -> AsyncIterator[CoapEndpoint]:
    handlers = FastHandlers()
    handlers.add(aiocoap.POST, "echo", echo)
    async with await CoapEndpoint.bind(host, 0, fast_handlers=handlers, settings=SETTINGS) as endpoint:
        yield endpoint


def post(remote: Remote, payload: bytes) -> aiocoap.Message:
    message = aiocoap.Message(code=aiocoap.POST, uri_path=("echo",), payload=payload)
    message.remote = remote
    return message


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_requests_of_many_peers_are_answered_each_with_its_own(host: str) -> None:
    async with bound(host) as server, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(await CoapEndpoint.bind(host, 0)) for _ in range(150)]
        answers = await asyncio.gather(
            *(
                client.request(post(client.remote(*server.local_address), b"%d" % number), timeout=20)
                for number, client in enumerate(clients)
            )
        )
        assert [answer.payload for answer in answers] == [b"%d" % number for number in range(150)]


async def test_a_batching_endpoint_is_also_a_client_and_moves_bodies_in_blocks() -> None:
    body = bytes(range(256)) * 100
    async with bound() as server, bound() as client:
        answer = await client.request(post(client.remote(*server.local_address), body), timeout=20)
        assert answer.payload == body


async def test_a_handler_that_fails_does_not_keep_others_from_their_answers() -> None:
    class Fragile(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.received: list[bytes] = []
            self.both: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def datagram_received(self, data: bytes, _addr: Any) -> None:
            self.received.append(data)
            if data == b"last":
                self.both.set_result(None)
                return
            raise ValueError("a mistake")

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.setblocking(False)
        receiver.bind(("127.0.0.1", 0))
        for content in (b"", b"first", b"last"):
            sender.sendto(content, receiver.getsockname())
        protocol = Fragile()
        transport = BatchTransport(library.load(), receiver, protocol, 100)
        await asyncio.wait_for(protocol.both, 10)
        transport.close()
    assert protocol.received == [b"", b"first", b"last"]
    assert len(reported) == 2


async def test_a_datagram_that_cannot_be_sent_is_lost_and_the_next_one_leaves() -> None:
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Sink(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _addr: Any) -> None:
            arrived.set_result(data)

    receiver, _ = await asyncio.get_running_loop().create_datagram_endpoint(Sink, local_addr=("127.0.0.1", 0))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    transport = BatchTransport(library.load(), sock, asyncio.DatagramProtocol(), 100)
    target = receiver.get_extra_info("sockname")
    transport.sendto(b"x" * 70_000, target)  # no UDP datagram is so large
    transport.sendto(b"after it", target)
    assert await asyncio.wait_for(arrived, 10) == b"after it"
    transport.close()
    receiver.close()
    assert transport.is_closing()


@pytest.mark.parametrize("address", [("192.0.2.7", 5683), ("2001:db8::1", 61_000, 0, 0), ("fe80::2", 1, 0, 3)])
def test_addresses_survive_the_notation_of_the_kernel(address: tuple[Any, ...]) -> None:
    assert len(_to_name(address)) == library.NAME_BYTES
    assert _to_address(_to_name(address)) == address


async def test_without_a_compiler_the_endpoint_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable() -> None:
        raise library.BatchesUnavailable("There is no compiler")

    monkeypatch.setattr(library, "load", unavailable)
    async with bound() as server, bound() as client:
        answer = await client.request(post(client.remote(*server.local_address), b"still"), timeout=20)
        assert answer.payload == b"still"


def test_a_compiler_that_fails_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    broken = tmp_path / "batch.c"
    broken.write_text("this is not C")
    monkeypatch.setattr(library, "SOURCE", broken)
    with pytest.raises(library.BatchesUnavailable, match="cannot be compiled"):
        library.load.__wrapped__()
