"""OSCORE on the wire, against stock aiocoap in both roles and against ourselves."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiocoap
import aiocoap.credentials
import pytest
from aiocoap import resource

from lwm2m_ml.coap import (
    CoapEndpoint,
    CoapError,
    CoapSettings,
    FastAnswer,
    FastHandlers,
    FastRequest,
    FastResponse,
    NetworkError,
    Remote,
)
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.numbers import ACK, CON, MAX_AGE, OSCORE, POST
from lwm2m_ml.coap.oscore import MemoryStates, OscoreCredential, OscoreKeyring, ReplayState
from lwm2m_ml.coap.oscore.errors import ProtectionRefused
from lwm2m_ml.coap.oscore.remote import OscoreRemote

if TYPE_CHECKING:
    from tests.coap.conftest import RawPeer

SECRET = bytes(range(16))
BODY = bytes(range(256)) * 20
WAIT = 5.0
DEVICE = OscoreCredential("device-1", SECRET, sender_id=b"server", recipient_id=b"d1", master_salt=b"salt")
"""The context as the server has it."""
SERVER = OscoreCredential("server", SECRET, sender_id=b"d1", recipient_id=b"server", master_salt=b"salt")
"""The same as the device has it."""


class Value(resource.ObservableResource):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.value = b"1"
        self.seen: list[tuple[str, ...]] = []
        self.abandoned = asyncio.Event()

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        self.seen.append(tuple(request.remote.authenticated_claims))
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


@pytest.fixture
def value() -> Value:
    return Value()


Listen = Callable[..., Awaitable[CoapEndpoint]]


@pytest.fixture
async def listen(value: Value) -> AsyncIterator[Listen]:
    endpoints: list[CoapEndpoint] = []

    async def listen_one(
        lookup: OscoreKeyring, states: MemoryStates | None = None, scheme: str = "udp", **settings: Any
    ) -> CoapEndpoint:
        handlers = FastHandlers()
        handlers.add(aiocoap.GET, "who", who)
        site = resource.Site()
        site.add_resource(["value"], value)
        endpoint = CoapEndpoint(site=site, fast_handlers=handlers, settings=CoapSettings(**settings))
        endpoints.append(endpoint)
        await (endpoint.listen_udp if scheme == "udp" else endpoint.listen_tcp)("127.0.0.1", 0)
        endpoint.use_oscore(lookup, states or MemoryStates())
        return endpoint

    yield listen_one
    for endpoint in reversed(endpoints):
        await endpoint.close()


@pytest.fixture
def known() -> OscoreKeyring:
    """What the server knows."""
    keyring = OscoreKeyring()
    keyring.add(DEVICE)
    return keyring


def reaching(server: CoapEndpoint | tuple[str, int], credential: OscoreCredential = SERVER) -> OscoreKeyring:
    """What a device knows."""
    keyring = OscoreKeyring()
    keyring.add(credential, server=server.local_address if isinstance(server, CoapEndpoint) else server)
    return keyring


def message(
    code: aiocoap.Code, to: CoapEndpoint | tuple[str, int], path: str, payload: bytes = b"", scheme: str = "coap"
) -> aiocoap.Message:
    host, port = to.local_address if isinstance(to, CoapEndpoint) else to
    return aiocoap.Message(code=code, uri=f"{scheme}://{host}:{port}/{path}", payload=payload)


def ask(remote: Remote, path: str) -> aiocoap.Message:
    question = aiocoap.Message(code=aiocoap.GET, uri_path=path.split("/"))
    question.remote = remote
    return question


# Ourselves on both sides


async def test_a_device_is_known_by_its_context(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    assert (await device.request(message(aiocoap.GET, server, "who"))).payload == b"device-1"
    assert (await device.request(message(aiocoap.GET, server, "who"))).payload == b"device-1"


async def test_bodies_of_any_size_pass_both_ways(listen: Listen, known: OscoreKeyring, value: Value) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    assert (await device.request(message(aiocoap.PUT, server, "value", BODY))).code == aiocoap.CHANGED
    assert (await device.request(message(aiocoap.GET, server, "value"))).payload == BODY
    assert value.seen[-1] == ("device-1",)


async def test_it_works_over_tcp(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known, scheme="tcp")
    device = await listen(reaching(server), scheme="tcp")
    get = message(aiocoap.GET, server, "who", scheme="coap+tcp")
    assert (await device.request(get)).payload == b"device-1"


async def test_the_server_asks_the_device_in_the_same_context(
    listen: Listen, known: OscoreKeyring, value: Value
) -> None:
    server = await listen(known)
    remotes: list[Remote] = []
    server._responder._fast.add(aiocoap.POST, "rd", lambda request: remember(remotes, request))
    device = await listen(reaching(server))
    await device.request(message(aiocoap.POST, server, "rd"))
    assert (await server.request(ask(remotes[0], "who"))).payload == b"server"
    assert (await server.request(ask(remotes[0], "value"))).payload == b"1"
    assert value.seen == [("server",)]


def remember(remotes: list[Remote], request: FastRequest) -> FastAnswer:
    remotes.append(request.remote)
    return FastResponse(0x41)


async def test_the_server_observes_the_device(listen: Listen, known: OscoreKeyring, value: Value) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    remote = server.secured(await server.connect("coap", *device.local_address), DEVICE)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    observation = await server.observe(ask(remote, "value"), lambda response: heard.put_nowait(response.payload))
    assert observation.active
    for text in (b"2", b"3", BODY):
        value.change(text)
        assert await asyncio.wait_for(heard.get(), WAIT) == text
    await observation.cancel()
    await asyncio.wait_for(value.abandoned.wait(), WAIT)
    assert server._oscore is not None
    assert len(server._oscore._pending) == 0


async def test_an_observation_follows_the_device_to_a_new_address(
    listen: Listen, known: OscoreKeyring, value: Value
) -> None:
    """The device's datagrams come through a relay that changes its port: a NAT that forgot."""
    server = await listen(known)
    device = await listen(reaching(server))
    relay = await Relay.open(device.local_address)
    try:
        remote = server.secured(await server.connect("coap", *relay.outside), DEVICE)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        observation = await server.observe(ask(remote, "value"), lambda response: heard.put_nowait(response.payload))
        before = remote.address
        await relay.move()
        value.change(b"2")
        assert await asyncio.wait_for(heard.get(), WAIT) == b"2"
        assert remote.address != before
        assert (await server.request(ask(remote, "who"))).payload == b"server"
        observation.forget()
    finally:
        relay.close()


class Relay(asyncio.DatagramProtocol):
    """Carries datagrams between the first who sends here and one device; can change its outer port."""

    def __init__(self, device: tuple[str, int]) -> None:
        self.device = device
        self.server: Any = None
        self.outer: Any = None
        self.inner: Any = None

    @classmethod
    async def open(cls, device: tuple[str, int]) -> Relay:
        relay = cls(device)
        await relay.move()
        loop = asyncio.get_running_loop()
        relay.inner, _ = await loop.create_datagram_endpoint(
            lambda: Inner(relay), local_addr=("127.0.0.1", 0), remote_addr=device
        )
        return relay

    async def move(self) -> None:
        old = self.outer
        loop = asyncio.get_running_loop()
        self.outer, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        if old is not None:
            old.close()

    @property
    def outside(self) -> tuple[str, int]:
        host, port = self.outer.get_extra_info("sockname")
        return host, port

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.server = addr
        self.inner.sendto(data)

    def close(self) -> None:
        self.outer.close()
        self.inner.close()


class Inner(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.relay.outer.sendto(data, self.relay.server)


# Refused


async def test_an_unknown_context_is_refused(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    stranger = OscoreCredential("server", SECRET, sender_id=b"d2", recipient_id=b"server")
    device = await listen(reaching(server, stranger))
    with pytest.raises(ProtectionRefused, match="context not found"):
        await device.request(message(aiocoap.GET, server, "who"))


async def test_a_wrong_secret_is_refused(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    wrong = OscoreCredential("server", SECRET[::-1], sender_id=b"d1", recipient_id=b"server")
    device = await listen(reaching(server, wrong))
    with pytest.raises(ProtectionRefused, match="Decryption failed"):
        await device.request(message(aiocoap.GET, server, "who"))


async def test_an_endpoint_without_contexts_does_not_understand_the_option(
    listen: Listen, known: OscoreKeyring
) -> None:
    async with await CoapEndpoint.bind("127.0.0.1", 0) as plain:
        device = await listen(reaching(plain))
        with pytest.raises(ProtectionRefused, match="not supported"):
            await device.request(message(aiocoap.GET, plain, "who"))


async def test_a_replayed_request_is_refused(listen: Listen, known: OscoreKeyring, peer: RawPeer) -> None:
    server = await listen(known)
    device = await listen(reaching(peer.address))
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    assert (await peer.ask(server.local_address, request)).code == aiocoap.CHANGED
    request.message_id ^= 1
    refused = await peer.ask(server.local_address, request)
    assert (refused.code, refused.options) == (aiocoap.UNAUTHORIZED, [(MAX_AGE, b"")])
    assert refused.payload == b"Replay detected"
    asking.cancel()


@pytest.mark.parametrize("option", [b"", b"\x09\x00", b"\xff", b"\x19\x00\x09"])
async def test_an_unreadable_option_is_answered_bad_option(
    listen: Listen, known: OscoreKeyring, peer: RawPeer, option: bytes
) -> None:
    server = await listen(known)
    answer = await peer.ask(server.local_address, RawMessage(CON, POST, 1, b"t", [(OSCORE, option)], b"x" * 20))
    assert answer.code in {aiocoap.BAD_OPTION, aiocoap.UNAUTHORIZED}


async def test_an_unprotected_response_is_no_answer(listen: Listen, peer: RawPeer) -> None:
    device = await listen(reaching(peer.address), response_timeout=0.05)
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, address = await peer.receive_from()
    await peer.send(address, RawMessage(2, 0x45, request.message_id, request.token, [], b"forged"))
    with pytest.raises(NetworkError):
        await asking


async def test_a_revoked_credential_ends_the_context(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    await device.request(message(aiocoap.GET, server, "who"))
    known.remove(DEVICE)
    server.drop_identity("device-1")
    with pytest.raises(ProtectionRefused):
        await device.request(message(aiocoap.GET, server, "who"))


# Restarts


async def test_after_an_orderly_restart_nothing_is_asked_and_nothing_repeated(
    listen: Listen, known: OscoreKeyring, peer: RawPeer
) -> None:
    states = MemoryStates()
    server = await listen(known, states)
    device = await listen(reaching(peer.address))
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    await peer.ask(server.local_address, request)
    await server.close()
    again = await listen(known, states)
    assert (await peer.ask(again.local_address, request)).payload == b"Replay detected"
    asking.cancel()


async def test_nothing_is_opened_once_the_window_is_being_saved(
    listen: Listen, known: OscoreKeyring, peer: RawPeer
) -> None:
    saving, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStates):
        async def save_replay_state(self, context: str, state: ReplayState) -> None:
            saving.set()
            await go_on.wait()
            await super().save_replay_state(context, state)

    server = await listen(known, Slow())
    device = await listen(reaching(server))
    await device.request(message(aiocoap.GET, server, "who"))
    assert device._oscore is not None
    device._oscore._lookup.add(SERVER, server=peer.address)  # type: ignore[attr-defined]
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    closing = asyncio.create_task(server.close())
    await asyncio.wait_for(saving.wait(), WAIT)
    assert await peer.ask(server.local_address, request) == RawMessage(ACK, 0, request.message_id)
    go_on.set()
    await closing
    asking.cancel()


async def test_after_a_crash_the_server_asks_for_an_echo(listen: Listen, known: OscoreKeyring, peer: RawPeer) -> None:
    states = MemoryStates()
    server = await listen(known, states)
    device = await listen(reaching(server))
    await device.request(message(aiocoap.GET, server, "who"))
    crashed = await listen(known, states)  # the window was taken and never saved
    assert device._oscore is not None
    device._oscore._lookup.add(SERVER, server=crashed.local_address)  # type: ignore[attr-defined]
    assert (await device.request(message(aiocoap.GET, crashed, "who"))).payload == b"device-1"
    assert crashed._oscore is not None
    (active,) = crashed._oscore._contexts.values()
    assert active.window is not None


async def test_what_another_process_has_answered_meanwhile_is_not_answered_again(
    listen: Listen, known: OscoreKeyring, peer: RawPeer
) -> None:
    states = MemoryStates()
    one, other = await listen(known, states), await listen(known, states)
    device = await listen(reaching(one))
    await device.request(message(aiocoap.GET, one, "who"))
    assert device._oscore is not None
    lookup: Any = device._oscore._lookup
    lookup.add(SERVER, server=other.local_address)
    await device.request(message(aiocoap.GET, other, "who"))
    lookup.add(SERVER, server=peer.address)
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    await peer.ask(other.local_address, request)
    one.doubt("device-1")
    await peer.ask(one.local_address, request)
    assert one._oscore is not None
    (active,) = one._oscore._contexts.values()
    assert active.window is None, "a repetition was believed"
    assert (await device.request(message(aiocoap.GET, one, "who"))).payload == b"device-1"
    again = replace(request, message_id=(request.message_id + 1) % 65_536)
    assert (await peer.ask(one.local_address, again)).payload == b"Replay detected"
    asking.cancel()


async def test_after_a_crash_of_the_device_the_server_observes_again(
    listen: Listen, known: OscoreKeyring, value: Value
) -> None:
    states = MemoryStates()
    await states.take_replay_state(SERVER.context_name)
    server = await listen(known)
    device = await listen(reaching(server), states)
    remote = server.secured(await server.connect("coap", *device.local_address), DEVICE)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    observation = await server.observe(ask(remote, "value"), lambda response: heard.put_nowait(response.payload))
    assert observation.active
    value.change(b"2")
    assert await asyncio.wait_for(heard.get(), WAIT) == b"2"
    await observation.cancel()


async def test_sequence_numbers_are_reserved_in_chunks_and_never_repeat(listen: Listen, known: OscoreKeyring) -> None:
    calls: list[int] = []

    class Counting(MemoryStates):
        async def reserve(self, context: str, count: int) -> int:
            calls.append(count)
            await asyncio.sleep(0)
            return await super().reserve(context, count)

    server = await listen(known, nstart=100)
    states = Counting()
    device = await listen(reaching(server), states, oscore_number_chunk=10, nstart=100)
    answers = await asyncio.gather(*(device.request(message(aiocoap.GET, server, "who")) for _ in range(30)))
    assert {answer.payload for answer in answers} == {b"device-1"}
    assert set(calls) == {10}
    assert len(calls) <= 4


async def test_a_store_that_fails_fails_the_request(listen: Listen, known: OscoreKeyring) -> None:
    class Broken(MemoryStates):
        async def reserve(self, context: str, count: int) -> int:
            raise OSError("disk full")

    server = await listen(known)
    device = await listen(reaching(server), Broken())
    with pytest.raises(CoapError, match="disk full"):
        await device.request(message(aiocoap.GET, server, "who"))


# Stock aiocoap


@pytest.fixture
def stock_oscore() -> Any:
    """aiocoap's implementation, which needs packages that aiocoap itself does not ask for."""
    for needed in ("filelock", "lakers"):
        pytest.importorskip(needed, reason=f"stock OSCORE needs {needed}")
    return importlib.import_module("aiocoap.oscore")


def stock_context(stock_oscore: Any, path: Path, sender: bytes, recipient: bytes) -> Any:
    path.mkdir()
    settings = {
        "sender-id_hex": sender.hex(),
        "recipient-id_hex": recipient.hex(),
        "secret_hex": SECRET.hex(),
        "salt_hex": b"salt".hex(),
    }
    (path / "settings.json").write_text(json.dumps(settings))
    return stock_oscore.FilesystemSecurityContext(str(path))


@pytest.fixture
async def stock_server(
    stock_oscore: Any, value: Value, tmp_path: Path, unused_port: int
) -> AsyncIterator[tuple[str, int]]:
    wrapper = importlib.import_module("aiocoap.oscore_sitewrapper").OscoreSiteWrapper
    credentials = aiocoap.credentials.CredentialsMap()
    credentials[":d1"] = stock_context(stock_oscore, tmp_path / "server", b"server", b"d1")
    site = resource.Site()
    site.add_resource(["value"], value)
    context = await aiocoap.Context.create_server_context(
        wrapper(site, credentials), bind=("127.0.0.1", unused_port), transports=["udp6"]
    )
    yield "127.0.0.1", unused_port
    await context.shutdown()


@pytest.fixture
async def stock_client(stock_oscore: Any, tmp_path: Path) -> AsyncIterator[aiocoap.Context]:
    context = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"])
    context.client_credentials["coap://127.0.0.1*"] = stock_context(stock_oscore, tmp_path / "client", b"d1", b"server")
    yield context
    await context.shutdown()


async def test_a_stock_server_understands_us(listen: Listen, stock_server: tuple[str, int], value: Value) -> None:
    device = await listen(reaching(stock_server))
    assert (await device.request(message(aiocoap.PUT, stock_server, "value", BODY))).code == aiocoap.CHANGED
    assert (await device.request(message(aiocoap.GET, stock_server, "value"))).payload == BODY
    remote = await device.connect("coap", *stock_server)
    assert isinstance(remote, OscoreRemote)


async def test_observing_a_stock_server(listen: Listen, stock_server: tuple[str, int], value: Value) -> None:
    device = await listen(reaching(stock_server))
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    observation = await device.observe(
        message(aiocoap.GET, stock_server, "value"), lambda response: heard.put_nowait(response.payload)
    )
    assert observation.active
    for text in (b"2", b"3"):
        value.change(text)
        assert await asyncio.wait_for(heard.get(), WAIT) == text
    await observation.cancel()


async def test_a_stock_client_is_understood(
    listen: Listen, known: OscoreKeyring, stock_client: aiocoap.Context
) -> None:
    server = await listen(known)
    assert (await stock_client.request(message(aiocoap.GET, server, "who")).response).payload == b"device-1"
    put = stock_client.request(message(aiocoap.PUT, server, "value", BODY))
    assert (await put.response).code == aiocoap.CHANGED
    assert (await stock_client.request(message(aiocoap.GET, server, "value")).response).payload == BODY


async def test_a_stock_client_answers_the_echo_after_a_crash(
    listen: Listen, known: OscoreKeyring, stock_client: aiocoap.Context
) -> None:
    states = MemoryStates()
    await states.take_replay_state(DEVICE.context_name)
    server = await listen(known, states)
    assert (await stock_client.request(message(aiocoap.GET, server, "who")).response).payload == b"device-1"


async def test_a_stock_client_observes(
    listen: Listen, known: OscoreKeyring, stock_client: aiocoap.Context, value: Value
) -> None:
    server = await listen(known)
    get = message(aiocoap.GET, server, "value")
    get.opt.observe = 0
    request = stock_client.request(get)
    assert (await request.response).payload == b"1"
    notifications = aiter(request.observation)
    for text in (b"2", b"3"):
        value.change(text)
        assert (await asyncio.wait_for(anext(notifications), WAIT)).payload == text
    request.observation.cancel()
