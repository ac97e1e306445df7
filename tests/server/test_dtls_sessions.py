"""DTLS sessions that go on after a restart of the server, in order or not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Message, resource
from aiocoap.numbers.codes import Code
from structlog.testing import capture_logs

from lwm2m_ml.bus import Bus, NotOwner, SoleOwner
from lwm2m_ml.coap import CoapEndpoint, CoapSettings
from lwm2m_ml.coap.dtls import NoCredentials, PreSharedKey, ServerCredential
from lwm2m_ml.coap.dtls_cid import RestingSession
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.server.dtls_sessions import StoredDtlsSessions
from lwm2m_ml.server.errors import DeviceUnreachable
from lwm2m_ml.server.events import Notified
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store

KEY = "0f" * 16
RESTING = RestingSession("psk:me", "c1d", ("127.0.0.1", 5), b"the keys of a session")
MANUFACTURER = ObjectPath(3, 0, 0)
PATIENCE = 30.0


class OneServer(NoCredentials):
    def server(self, host: str, port: int) -> ServerCredential | None:
        return ServerCredential(PreSharedKey("me", bytes.fromhex(KEY)))


class Manufacturer:
    async def render_to_pipe(self, pipe: Any) -> None:
        pipe.add_response(Message(code=Code.CONTENT, payload=b"ACME", content_format=0), is_last=True)


class Temperature(resource.ObservableResource):  # type: ignore[misc]
    value = b"20"

    async def render_get(self, _request: Message) -> Message:
        return Message(payload=self.value, content_format=0)

    def change(self, value: bytes) -> None:
        self.value = value
        self.updated_state()


class NobodysOwner(SoleOwner):
    def token(self, name: str) -> int | None:
        return None


Start = Callable[[], Awaitable[Lwm2mServer]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a server on the same data and the same port as the one before."""
    async with AsyncExitStack() as stack:
        ports: list[int] = [0]

        async def start_one() -> Lwm2mServer:
            settings = Settings(data_directory=tmp_path, coap_port=0, coaps_port=ports[-1], dtls_engine="cid")
            store, bus = await Store.open(settings.database_url), Bus()
            server = Lwm2mServer(store, bus, Catalogue.shipped(), settings)
            await server.start()
            for ending in (store.close, bus.close, server.stop):
                stack.push_async_callback(ending)
            ports.append(server._addresses["coaps"][1])
            return server

        yield start_one


@pytest.fixture
async def device() -> AsyncIterator[CoapEndpoint]:
    endpoint = CoapEndpoint(site=Manufacturer(), settings=CoapSettings(ack_timeout=0.3, minimum_timeout=0.2))
    await endpoint.listen_dtls_cid("127.0.0.1", 0, OneServer())
    yield endpoint
    await endpoint.close()


async def registered(server: Lwm2mServer, device: CoapEndpoint) -> None:
    if not server.credentials.list("dev"):
        await server.credentials.add("dev", CredentialKind.PSK, identity="me", key=KEY)
    message = Message(code=Code.POST, uri_path=("rd",), uri_query=("ep=dev", "lt=60", "lwm2m=1.1"), payload=b"</3/0>")
    message.opt.content_format = 40
    message.remote = await device.connect("coaps", *server._addresses["coaps"])
    assert (await device.request(message)).code is Code.CREATED


async def stored(server: Lwm2mServer, count: int = 1) -> None:
    """Until so many sessions are stored."""
    async with asyncio.timeout(PATIENCE):
        while (await server._store.dtls_sessions.of("psk:me") is not None) != bool(count):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def updated(server: Lwm2mServer, device: CoapEndpoint) -> Code:
    message = Message(code=Code.POST, uri_path=("rd", server.registry.get("dev").location))
    message.remote = await device.connect("coaps", *server._addresses["coaps"])
    code: Code = (await device.request(message, timeout=PATIENCE)).code
    return code


async def kill(server: Lwm2mServer) -> None:
    """End a server so that it has no time to say or to write anything."""
    transport = server._exchange.coap._transports["coaps"]
    transport.stored = None  # type: ignore[attr-defined]
    for peer in transport._peers.all():  # type: ignore[attr-defined]
        transport._peers.forget(peer)  # type: ignore[attr-defined]
    await server.stop()


async def test_a_registered_device_is_read_right_after_a_restart_without_a_handshake(
    start: Start, device: CoapEndpoint
) -> None:
    server = await start()
    await registered(server, device)
    await server.stop()
    again = await start()
    with capture_logs() as logs:
        (record,) = await again.devices.read("dev", MANUFACTURER)
    assert record.value == "ACME"
    assert "A DTLS session goes on" not in [log["event"] for log in logs], "its replay window rested with it"
    assert await updated(again, device) is Code.CHANGED


async def test_a_device_updates_after_a_kill_without_a_handshake(start: Start, device: CoapEndpoint) -> None:
    server = await start()
    await registered(server, device)
    await stored(server)
    await kill(server)
    with capture_logs() as logs:
        again = await start()
        assert await updated(again, device) is Code.CHANGED
        (record,) = await again.devices.read("dev", MANUFACTURER)
    assert record.value == "ACME"
    events = [log["event"] for log in logs]
    assert events.count("A DTLS session goes on") == 1
    assert "A DTLS session is established" not in events


async def test_a_device_is_read_right_after_a_kill_without_a_handshake(start: Start, device: CoapEndpoint) -> None:
    server = await start()
    await registered(server, device)
    await stored(server)
    await kill(server)
    again = await start()
    with capture_logs() as logs:
        (record,) = await again.devices.read("dev", MANUFACTURER)
        assert await updated(again, device) is Code.CHANGED
    assert record.value == "ACME"
    assert "A DTLS session is established" not in [log["event"] for log in logs]


async def test_an_observation_goes_on_after_a_kill(start: Start, device: CoapEndpoint) -> None:
    temperature = Temperature()
    device.site = resource.Site()
    device.site.add_resource(["3", "0", "9"], temperature)
    server = await start()
    await registered(server, device)
    await server.devices.observe("dev", ObjectPath(3, 0, 9), lasting=True)
    await stored(server)
    await kill(server)
    again = await start()
    news: asyncio.Queue[Notified] = asyncio.Queue()
    again._bus.subscribe(Notified, news.put)
    with capture_logs() as logs:
        assert await updated(again, device) is Code.CHANGED
        async with asyncio.timeout(PATIENCE):
            first = await news.get()
            temperature.change(b"21")
            second = await news.get()
    assert [event.records[0].value for event in (first, second)] == [20, 21]
    assert "A DTLS session is established" not in [log["event"] for log in logs]


async def test_a_session_that_was_not_stored_yet_costs_a_handshake(start: Start, device: CoapEndpoint) -> None:
    server = await start()
    await registered(server, device)
    await kill(server)
    again = await start()
    with pytest.raises(DeviceUnreachable):
        await again.devices.read("dev", MANUFACTURER)


async def test_what_ended_is_not_stored_any_more(start: Start, device: CoapEndpoint) -> None:
    server = await start()
    await registered(server, device)
    await stored(server)
    await device.close()  # says goodbye
    await stored(server, 0)


async def test_a_credential_that_is_gone_takes_the_session_along(start: Start, device: CoapEndpoint) -> None:
    server = await start()
    await registered(server, device)
    await stored(server)
    (credential,) = server.credentials.list("dev")
    await server.credentials.revoke(credential.id)
    await stored(server, 0)


async def test_a_device_that_left_is_not_waited_for(start: Start, device: CoapEndpoint) -> None:
    server = await start()
    await registered(server, device)
    await stored(server)
    message = Message(code=Code.DELETE, uri_path=("rd", server.registry.get("dev").location))
    message.remote = await device.connect("coaps", *server._addresses["coaps"])
    assert (await device.request(message)).code is Code.DELETED
    await stored(server, 0)
    await registered(server, device)  # goes on with the session, which is not stored a second time
    await asyncio.sleep(1.5)
    await stored(server, 0)


async def test_a_device_that_expires_while_its_session_rests_is_not_waited_for(
    start: Start, device: CoapEndpoint
) -> None:
    server = await start()
    await registered(server, device)
    await server.stop()
    again = await start()
    await stored(again)
    again.expire("dev")
    await stored(again, 0)


async def test_sessions_are_stored_sealed(start: Start, tmp_path: Path) -> None:
    server = await start()
    sessions = StoredDtlsSessions(server._store.dtls_sessions, Vault.open(tmp_path), lambda _: "dev", SoleOwner())
    assert await sessions.keep([(RESTING, 7)]) == {"psk:me": 0}
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("*.sqlite3*"))  # noqa: ASYNC240
    assert RESTING.exported not in kept
    assert list(await sessions.find(["c1d", "other"])) == [RESTING]
    assert await sessions.find_peer("psk:me") == RESTING


async def test_sessions_under_another_key_are_lost_and_said(start: Start, tmp_path: Path) -> None:
    server = await start()
    repository = server._store.dtls_sessions
    await StoredDtlsSessions(repository, Vault(bytes(32)), lambda _: "dev", SoleOwner()).keep([(RESTING, 7)])
    with capture_logs() as logs:
        sessions = StoredDtlsSessions(repository, Vault.open(tmp_path), lambda _: "dev", SoleOwner())
        assert list(await sessions.find(["c1d"])) == []
        assert await sessions.take("psk:me", "c1d", 5) is None
    assert [log["event"] for log in logs] == ["a DTLS session is lost"] * 2


async def test_who_does_not_act_for_a_device_stores_and_reserves_nothing(start: Start, tmp_path: Path) -> None:
    server = await start()
    vault, repository = Vault.open(tmp_path), server._store.dtls_sessions
    sessions = StoredDtlsSessions(repository, vault, lambda _: "dev", NobodysOwner())
    assert await sessions.keep([(RESTING, 7)]) == {}
    await StoredDtlsSessions(repository, vault, lambda _: "dev", SoleOwner()).keep([(RESTING, 7)])
    assert await sessions.hold([RESTING]) == {}
    with pytest.raises(NotOwner):
        await sessions.reserve("psk:me", "c1d", 5)
