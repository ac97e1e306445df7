"""DTLS sessions that go on after a restart of the server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from structlog.testing import capture_logs

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap import CoapEndpoint, CoapSettings
from lwm2m_ml.coap.dtls import NoCredentials, PreSharedKey, ServerCredential
from lwm2m_ml.coap.dtls_cid import RestingSession
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.absent import AbsentPeer
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.server.dtls_sessions import StoredDtlsSessions
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store

KEY = "0f" * 16
RESTING = RestingSession("psk:me", ("127.0.0.1", 5), b"the keys of a session")


class OneServer(NoCredentials):
    def server(self, host: str, port: int) -> ServerCredential | None:
        return ServerCredential(PreSharedKey("me", bytes.fromhex(KEY)))


class Manufacturer:
    async def render_to_pipe(self, pipe: Any) -> None:
        pipe.add_response(Message(code=Code.CONTENT, payload=b"ACME", content_format=0), is_last=True)


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


async def test_a_registered_device_is_read_right_after_a_restart_without_a_handshake(start: Start) -> None:
    server = await start()
    await server.credentials.add("dev", CredentialKind.PSK, identity="me", key=KEY)
    device = CoapEndpoint(site=Manufacturer(), settings=CoapSettings())
    await device.listen_dtls_cid("127.0.0.1", 0, OneServer())
    message = Message(code=Code.POST, uri_path=("rd",), uri_query=("ep=dev", "lt=60", "lwm2m=1.1"), payload=b"</3/0>")
    message.opt.content_format = 40
    message.remote = await device.connect("coaps", *server._addresses["coaps"])
    assert (await device.request(message)).code is Code.CREATED
    await server.stop()
    again = await start()
    registration = again.registry.get("dev")
    assert not isinstance(registration.remote, AbsentPeer)
    (record,) = await again.devices.read("dev", ObjectPath(3, 0, 0))
    assert record.value == "ACME"
    await device.close()


async def test_sessions_rest_sealed_and_are_taken_once(start: Start, tmp_path: Path) -> None:
    server = await start()
    sessions = StoredDtlsSessions(server._store.dtls_sessions, Vault.open(tmp_path))
    await sessions.save([RESTING])
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("*.sqlite3*"))  # noqa: ASYNC240
    assert RESTING.exported not in stored
    assert list(await sessions.take()) == [RESTING]
    assert list(await sessions.take()) == []


async def test_sessions_under_another_key_are_lost_and_said(start: Start, tmp_path: Path) -> None:
    server = await start()
    await StoredDtlsSessions(server._store.dtls_sessions, Vault(bytes(32))).save([RESTING])
    with capture_logs() as logs:
        taken = await StoredDtlsSessions(server._store.dtls_sessions, Vault.open(tmp_path)).take()
    assert list(taken) == []
    assert [log["event"] for log in logs] == ["a DTLS session is lost"]
