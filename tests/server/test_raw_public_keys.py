"""Devices that prove themselves with a bare public key (LwM2M security mode 1)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Message
from aiocoap.numbers.codes import Code
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap import CoapEndpoint, CoapSettings, HandshakeFailed
from lwm2m_ml.coap.dtls import NoCredentials, OwnKey, ServerCredential, TrustedKey
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.server.credentials import drafts
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.credentials.drafts import UnusableCredential
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store

RPK = CredentialKind.RAW_PUBLIC_KEY


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Lwm2mServer]:
    settings = Settings(data_directory=tmp_path, coap_port=0, coaps_port=0, dtls_engine="cid")
    store, bus = await Store.open(settings.database_url), Bus()
    server = Lwm2mServer(store, bus, Catalogue.shipped(), settings)
    await server.start()
    yield server
    await server.stop()
    await bus.close()
    await store.close()


def public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def pem(key: Any) -> str:
    encoded: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


async def register(server: Lwm2mServer, private_key: Any, endpoint: str = "dev") -> Code:
    shown = public(x509.load_pem_x509_certificate(server.certificate.encode()).public_key())

    class OneServer(NoCredentials):
        def server(self, host: str, port: int) -> ServerCredential | None:
            return ServerCredential(OwnKey(private_key), TrustedKey(shown))

    async with CoapEndpoint(settings=CoapSettings(handshake_timeout=2.0)) as device:
        await device.listen_dtls_cid("127.0.0.1", 0, OneServer())
        query = (f"ep={endpoint}", "lt=60", "lwm2m=1.1")
        message = Message(code=Code.POST, uri_path=("rd",), uri_query=query, payload=b"</3/0>", content_format=40)
        message.remote = await device.connect("coaps", *server._addresses["coaps"])
        answer = await device.request(message)
        return Code(answer.code)


async def test_a_device_with_a_key_that_was_made_for_it_registers(server: Lwm2mServer) -> None:
    issued = await server.credentials.add("dev", RPK)
    key = serialization.load_pem_private_key(issued.secret["private_key"].encode(), None)
    assert await register(server, key) is Code.CREATED
    assert server.registry.get("dev").identity == f"rpk:{issued.credential.identity}"
    assert issued.secret["private_key"] not in str(issued.credential.facts)


async def test_a_device_with_a_given_key_registers_as_itself_only(server: Lwm2mServer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    issued = await server.credentials.add("dev", RPK, public_key=pem(key.public_key()))
    assert set(issued.secret) == {"public_key"}
    assert await register(server, key, "somebody else") is Code.FORBIDDEN
    assert await register(server, key) is Code.CREATED


async def test_a_revoked_key_is_refused(server: Lwm2mServer) -> None:
    issued = await server.credentials.add("dev", RPK)
    key = serialization.load_pem_private_key(issued.secret["private_key"].encode(), None)
    await server.credentials.revoke(issued.credential.id)
    with pytest.raises(HandshakeFailed):
        await register(server, key)


@pytest.mark.parametrize("text", ["", "no key", pem(ec.generate_private_key(ec.SECP384R1()).public_key())])
def test_a_key_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(UnusableCredential):
        drafts.raw_public_key(public_key=text)
