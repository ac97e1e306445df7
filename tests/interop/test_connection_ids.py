"""A device on Leshan's client library behind a NAT that forgets: its session and what is observed go on (RFC 9146)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from lwm2m_ml.coap.dtls12 import Stored
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.events import DeviceRegistered, DeviceUpdated, Notified

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(720),
    pytest.mark.parametrize("running", ["cid"], indirect=True),
]

NAME = "leshan-device"
KEY = "000102030405060708090a0b0c0d0e0f"
INSTANCE = ObjectPath(32770).child(0)
CAPTURE = "LWM2M_ML_CAPTURE"
"""Names the file to which the handshake with a connection id is written, for tests/coap/dtls12/captures."""


class Nat(asyncio.DatagramProtocol):
    """Between one device and the server; each time it forgot, it forwards from another port."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.inside: Any = None
        self.outside: Any = None
        self.device: Any = None
        self.datagrams: list[tuple[str, str]] = []

    def connection_made(self, transport: Any) -> None:
        self.inside = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.device = addr
        self.datagrams.append(("client", data.hex()))
        self.outside.sendto(data, self.server)

    def answered(self, data: bytes) -> None:
        self.datagrams.append(("server", data.hex()))
        self.inside.sendto(data, self.device)

    async def forget(self) -> None:
        before = self.outside
        loop = asyncio.get_running_loop()
        self.outside, _ = await loop.create_datagram_endpoint(lambda: Outside(self), local_addr=("127.0.0.1", 0))
        if before is not None:
            before.close()

    @property
    def uri(self) -> str:
        return "coaps://127.0.0.1:{}".format(self.inside.get_extra_info("sockname")[1])


class Outside(asyncio.DatagramProtocol):
    def __init__(self, nat: Nat) -> None:
        self.nat = nat

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        self.nat.answered(data)


@pytest_asyncio.fixture
async def nat(running: Any) -> AsyncIterator[Nat]:
    nat = Nat(running.server._addresses["coaps"])
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: nat, local_addr=("127.0.0.1", 0))
    await nat.forget()
    yield nat
    nat.inside.close()
    nat.outside.close()


def sessions(logs: list[Any]) -> int:
    return sum(log["event"] == "A DTLS session is established" for log in logs)


@pytest.mark.parametrize("own_cid", [0, 4])
@pytest.mark.parametrize(
    "suite",
    [
        "TLS_PSK_WITH_AES_128_CCM_8",
        "TLS_PSK_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256",
        "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
    ],
)
async def test_a_session_and_an_observation_survive_a_nat_that_forgets(
    start_peer: Any, running: Any, models: str, nat: Nat, suite: str, own_cid: int
) -> None:
    server = running.server
    await server.credentials.add(NAME, CredentialKind.PSK, identity="leshan", key=KEY)
    with capture_logs() as logs:
        options = (f"psk=leshan:{KEY}", f"cid={own_cid}", f"suite={suite}")
        device = await start_peer("Device", NAME, nat.uri, "300", models, *options)
        await device.told("registered")
        await running.events.next(DeviceRegistered)
        write_down(nat, suite, own_cid)
        await server.devices.observe(NAME, INSTANCE.child(1))
        await running.events.next(Notified)
        for value in (7, 8):
            before = server.registry.get(NAME).address
            await nat.forget()
            await device.ask("set", resource=1, value=value)
            assert (await running.events.next(Notified)).records[0].value == value
            assert server.registry.get(NAME).address != before
        await nat.forget()
        await device.ask("update")
        await running.events.next(DeviceUpdated)
        assert (await server.devices.read(NAME, INSTANCE.child(0)))[0].value == "Grüße"
        assert (await device.ask("send", paths=["/32770/0/1"], format=ContentFormat.SENML_CBOR))["code"] == 204
    assert sessions(logs) == 1
    assert not device.has_told("registration failed")


def write_down(nat: Nat, suite: str, own_cid: int) -> None:
    path = os.environ.get(CAPTURE)
    if path is None or own_cid == 0 or suite != "TLS_PSK_WITH_AES_128_CCM_8":
        return
    facts = {"software": "Leshan 2.0.0-M15 (Scandium 3.12) with our server", "suite": suite, "key": KEY}
    Path(path).write_text(json.dumps({**facts, "datagrams": nat.datagrams}, indent=1) + "\n")


@pytest.mark.parametrize("own_cid", [0, 4])
async def test_a_session_that_the_server_has_only_in_its_store_goes_on(
    start_peer: Any, running: Any, models: str, own_cid: int
) -> None:
    """As after a kill: the device answers what it is asked before it is believed."""
    server = running.server
    transport = server._exchange.coap._transports["coaps"]
    await server.credentials.add(NAME, CredentialKind.PSK, identity="leshan", key=KEY)
    with capture_logs() as logs:
        options = (f"psk=leshan:{KEY}", f"cid={own_cid}")
        device = await start_peer("Device", NAME, server.uris["coaps"], "300", models, *options)
        await device.told("registered")
        (peer,) = transport._peers.all()
        async with asyncio.timeout(60):
            while peer.session.stored is not Stored.HELD:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
        transport._peers.forget(peer)
        await device.ask("update")
        await running.events.next(DeviceUpdated)
        assert (await server.devices.read(NAME, INSTANCE.child(0)))[0].value == "Grüße"
    assert sessions(logs) == 1
    assert [log["event"] for log in logs].count("A DTLS session goes on") == 1
    assert not device.has_told("registration failed")


async def test_a_block_transfer_under_way_survives(start_peer: Any, running: Any, models: str, nat: Nat) -> None:
    """The server reads a large value, block by block, while the NAT forgets every few datagrams."""
    server = running.server
    await server.credentials.add(NAME, CredentialKind.PSK, identity="leshan", key=KEY)
    device = await start_peer("Device", NAME, nat.uri, "300", models, f"psk=leshan:{KEY}", "cid=0")
    await device.told("registered")
    content = bytes(range(256)) * 32
    writing = asyncio.create_task(server.devices.write(NAME, INSTANCE.child(4), content))
    forgotten, seen = 0, len(nat.datagrams)
    async with asyncio.timeout(60):
        while not writing.done():
            await asyncio.sleep(0.002)
            if len(nat.datagrams) > seen + 4:
                seen = len(nat.datagrams)
                await nat.forget()
                forgotten += 1
                await device.ask("send", paths=["/32770/0/1"], format=ContentFormat.SENML_CBOR)
    await writing
    assert forgotten > 0
    assert (await server.devices.read(NAME, INSTANCE.child(4)))[0].value == content


async def test_raw_public_keys(start_peer: Any, running: Any, models: str) -> None:
    server = running.server
    issued = await server.credentials.add(NAME, CredentialKind.RAW_PUBLIC_KEY)
    private: Any = serialization.load_pem_private_key(issued.secret["private_key"].encode(), None)
    der, plain = serialization.Encoding.DER, serialization.NoEncryption()
    shown: Any = x509.load_pem_x509_certificate(server.certificate.encode()).public_key()
    assert isinstance(shown, ec.EllipticCurvePublicKey)
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    keys = [
        private.public_key().public_bytes(der, info),
        private.private_bytes(der, serialization.PrivateFormat.PKCS8, plain),
        shown.public_bytes(der, info),
    ]
    rpk = ":".join(key.hex() for key in keys)
    device = await start_peer("Device", NAME, server.uris["coaps"], "300", models, f"rpk={rpk}", "cid=0")
    await device.told("registered")
    assert server.registry.get(NAME).identity == f"rpk:{issued.credential.identity}"
    assert (await server.devices.read(NAME, INSTANCE.child(0)))[0].value == "Grüße"
