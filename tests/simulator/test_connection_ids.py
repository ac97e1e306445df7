"""A device over DTLS that keeps its session over changes of its address, against our server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiocoap import Code, Message
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.dtls_cid.transport import CidTransport
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.bootstrap import Account, SecurityMode
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.device_security import raw_key_security
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.radio import RadioSettings
from lwm2m_ml_simulator.scenario.security_table import SecurityTable

SERIAL = ObjectPath.parse("/3/0/2")


@pytest_asyncio.fixture
async def lwm2m(tmp_path: Path) -> AsyncIterator[Any]:
    settings = Settings(data_directory=tmp_path, coap_port=0, coaps_port=0, dtls_engine="cid")
    store, bus = await Store.open(settings.database_url), Bus()
    server = Lwm2mServer(store, bus, Catalogue.shipped(), settings)
    await server.start()
    yield server
    await server.stop()
    await bus.close()
    await store.close()


async def psk_account(lwm2m: Any) -> Account:
    issued = await lwm2m.credentials.add("dev", CredentialKind.PSK)
    identity, key = issued.secret["identity"].encode(), bytes.fromhex(issued.secret["key"])
    mode = SecurityMode.PRE_SHARED_KEY
    return Account(lwm2m.uris["coaps"], short_server_id=1, security_mode=mode, identity=identity, secret=key)


def established(logs: list[Any]) -> int:
    """How many sessions the server made; it knows devices by their kind of credential."""
    return sum(log["event"] == "A DTLS session is established" and ":" in str(log["identity"]) for log in logs)


async def update(client: Lwm2mClient, lwm2m: Any) -> None:
    message = Message(code=Code.POST, uri_path=("rd", lwm2m.registry.get("dev").location))
    message.remote = await client.coap.connect("coaps", *lwm2m._addresses["coaps"])
    assert (await client.coap.request(message, timeout=5)).code is Code.CHANGED


async def test_a_device_keeps_its_session_and_what_is_observed_at_another_address(lwm2m: Any) -> None:
    account = await psk_account(lwm2m)
    with capture_logs() as logs:
        async with Lwm2mClient("dev", account, connection_ids=True) as client:
            await client.registered.wait()
            await lwm2m.devices.observe("dev", SERIAL)
            before = lwm2m.registry.get("dev").address
            for _ in range(3):
                await client.coap.change_port()
                await update(client, lwm2m)
                assert await lwm2m.devices.read("dev", SERIAL)
            assert lwm2m.registry.get("dev").address != before
    assert established(logs) == 1


async def test_without_connection_ids_the_server_does_not_know_it_again(lwm2m: Any) -> None:
    account = await psk_account(lwm2m)
    async with Lwm2mClient("dev", account) as client:
        await client.registered.wait()
        await client.coap.change_port()
        message = Message(code=Code.POST, uri_path=("rd", lwm2m.registry.get("dev").location))
        message.remote = await client.coap.connect("coaps", *lwm2m._addresses["coaps"])
        with pytest.raises(Exception, match="0\\.5 s"):
            await client.coap.request(message, timeout=0.5)


async def test_a_nat_that_forgets_is_no_reason_for_a_handshake(lwm2m: Any) -> None:
    account = await psk_account(lwm2m)
    radio = RadioSettings(conditions=Conditions(nat_timeout=0.05))
    with capture_logs() as logs:
        async with Lwm2mClient("dev", account, connection_ids=True, radio=radio) as client:
            await client.registered.wait()
            ports = set()
            for _ in range(3):
                ports.add(client.coap.address("coaps")[1])
                await until_moved(client)
                await update(client, lwm2m)
            assert len(ports) == 3
    assert established(logs) == 1


async def until_moved(client: Lwm2mClient) -> None:
    before = client.coap.address("coaps")
    async with asyncio.timeout(5):
        while client.coap.address("coaps") == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_device_with_a_raw_public_key(lwm2m: Any, tmp_path: Path) -> None:
    issued = await lwm2m.credentials.add("dev", CredentialKind.RAW_PUBLIC_KEY)
    server = x509.load_pem_x509_certificate(lwm2m.certificate.encode()).public_key()
    own, shown = tmp_path / "own.pem", tmp_path / "server.pem"
    own.write_text(issued.secret["private_key"])
    shown.write_bytes(server.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    security = SecurityTable(private_key=str(own), server_public_key=str(shown), connection_id=True).security("dev")
    assert security.connection_id
    async with Lwm2mClient("dev", security.account(lwm2m.uris["coaps"], 300)) as client:
        await client.registered.wait()
        assert lwm2m.registry.get("dev").identity.startswith("rpk:")
        assert isinstance(client.coap._transports["coaps"], CidTransport)
        assert await lwm2m.devices.read("dev", SERIAL)


def test_a_file_that_holds_no_public_key_is_named(tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "server.pem").write_text("nothing")
    with pytest.raises(InvalidFleet, match=r"server\.pem"):
        raw_key_security(own, tmp_path / "server.pem", bootstrap=False)
