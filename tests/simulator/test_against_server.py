"""The device and the LwM2M server of this project, in every version, on real sockets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lwm2m_ml.bus import Bus
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.bootstrap import Account, Configuration, SecurityMode, configuration_records
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.bootstrap_configuration import BootstrapConfiguration
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.events import DataSent
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.device_security import certificate_security
from lwm2m_ml_simulator.network.radio import RadioSettings
from lwm2m_ml_simulator.objects.base import ObjectInstance, readable, writable

LABEL, VALUE = ObjectPath.parse("/3303/0/5750"), ObjectPath.parse("/3303/0/5700")


class Thermometer(ObjectInstance):
    object_id = 3303

    def __init__(self, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.label = "room"

    @readable(5700)
    def value(self) -> float:
        return 21.5

    @readable(5750)
    def read_label(self) -> str:
        return self.label

    @writable(5750)
    def write_label(self, value: str) -> None:
        self.label = value


@pytest_asyncio.fixture
async def lwm2m(tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[Any]:
    store, bus = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'store.db'}"), Bus()
    settings = Settings(data_directory=tmp_path, coap_port=0, coaps_port=0, coaps_tcp_port=0, insecure=True)
    server = Lwm2mServer(store, bus, catalogue, settings)
    await server.start()
    server.bus = bus  # type: ignore[attr-defined]
    yield server
    await server.stop()
    await bus.close()
    await store.close()


def uri(server: Any, scheme: str = "coap") -> str:
    found: str = server.uris[scheme]
    return found


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_operations_in_every_version(lwm2m: Any, catalogue: Catalogue, version: str) -> None:
    thermometer = Thermometer()
    client = Lwm2mClient(
        "dev",
        uri(lwm2m),
        [thermometer],
        catalogue=catalogue,
        version=version,
        radio=RadioSettings(awake_seconds=60),
    )
    client.tree.allow_create(3303, Thermometer)
    async with client:
        await client.registered.wait()
        registration = lwm2m.registry.get("dev")
        assert (registration.parameters.version, registration.parameters.queue_mode) == (version, True)
        devices = lwm2m.devices
        assert Record(VALUE, 21.5) in await devices.read("dev", ObjectPath.parse("/3303"))
        await devices.write("dev", LABEL, "oven")
        assert thermometer.label == "oven"
        heard: list[Any] = []
        await devices.observe("dev", LABEL, heard.append)
        if version != "1.0":
            records = await devices.read_composite("dev", [VALUE, LABEL])
            assert {record.path for record in records} == {VALUE, LABEL}
            await devices.write_composite("dev", [Record(LABEL, "attic")])
            assert thermometer.label == "attic"
            sent: list[Any] = []

            async def hear(event: DataSent) -> None:
                sent.append(event)

            lwm2m.bus.subscribe(DataSent, hear)
            assert await client.send([Record(VALUE, 22.0)])
        await devices.delete("dev", ObjectPath.parse("/3303/0"))
        assert not client.tree.instances(3303)


async def test_a_key_that_the_server_issued(lwm2m: Any, catalogue: Catalogue) -> None:
    issued = await lwm2m.credentials.add("dev", CredentialKind.PSK)
    account = Account(
        uri(lwm2m, "coaps"),
        short_server_id=1,
        security_mode=SecurityMode.PRE_SHARED_KEY,
        identity=issued.secret["identity"].encode(),
        secret=bytes.fromhex(issued.secret["key"]),
    )
    await registers_as(lwm2m, account, catalogue, f"psk:{issued.secret['identity']}")


@pytest.mark.parametrize("scheme", ["coaps", "coaps+tcp"])
async def test_a_certificate_that_the_server_issued(
    lwm2m: Any, catalogue: Catalogue, tmp_path: Path, scheme: str
) -> None:
    issued = await lwm2m.credentials.add("dev", CredentialKind.CERTIFICATE)
    files = {"device": issued.secret["certificate"], "key": issued.secret["private_key"], "server": lwm2m.certificate}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in files]
    account = certificate_security(*paths, bootstrap=False).account(uri(lwm2m, scheme), 300)
    await registers_as(lwm2m, account, catalogue, "x509:")


async def registers_as(lwm2m: Any, account: Account, catalogue: Catalogue, identity: str) -> None:
    async with Lwm2mClient("dev", account, catalogue=catalogue) as client:
        await client.registered.wait()
        assert lwm2m.registry.get("dev").identity.startswith(identity)
        assert await lwm2m.devices.read("dev", ObjectPath.parse("/3/0/2"))
        assert await client.send([Record(ObjectPath.parse("/3/0/2"), "dev")])


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_bootstrap_by_steps_and_by_pack(lwm2m: Any, catalogue: Catalogue, version: str) -> None:
    bootstrap = Account(uri(lwm2m))
    wanted = Configuration((bootstrap, Account(uri(lwm2m), short_server_id=1, lifetime=77)))
    await lwm2m.bootstrap.configure("dev", BootstrapConfiguration(configuration_records(wanted, catalogue)))
    async with Lwm2mClient("dev", bootstrap, catalogue=catalogue, version=version) as client:
        await client.registered.wait()
        assert lwm2m.registry.get("dev").parameters.lifetime == 77
