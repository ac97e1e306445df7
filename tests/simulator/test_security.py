"""Devices with keys: DTLS with pre-shared keys and certificates, TCP, TLS."""

import dataclasses
import datetime
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiocoap import Code, Message
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls import Granted, NoCredentials, OwnCertificate, PeerCertificate
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import RequestTimeout
from lwm2m_ml.coap.oscore import MemoryStates, OscoreCredential, OscoreKeyring
from lwm2m_ml.coap.tcp.tls import HAS_PSK, TlsSettings
from lwm2m_ml.lwm2m.bootstrap import Account, SecurityMode
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.client.connection import ServerConnection
from lwm2m_ml_simulator.client.credentials import credential, tls_settings
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.device.device_security import DeviceSecurity, OscoreKeys
from lwm2m_ml_simulator.errors import InvalidAccount
from lwm2m_ml_simulator.objects.security import Security

Server = Any
KEY = bytes(range(16))


class Keys(NoCredentials):
    def __init__(self) -> None:
        self.certificates: dict[bytes, str] = {}

    def pre_shared_key(self, identity: str) -> Granted | None:
        return Granted("mcu", KEY) if identity == "mcu-identity" else None

    def certificate(self, peer: PeerCertificate) -> Granted | None:
        name = self.certificates.get(der(peer.certificate))
        return Granted(name) if name else None

    def is_valid(self, identity: str) -> bool:
        return True


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def self_signed(name: str) -> OwnCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    return OwnCertificate(builder.add_extension(names, critical=False).sign(key, hashes.SHA256()), key)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def own() -> OwnCertificate:
    return self_signed("server")


@pytest_asyncio.fixture
async def secure(server: Server, keys: Keys, own: OwnCertificate) -> AsyncIterator[Server]:
    """The scripted server on every transport but plain UDP."""
    await server.endpoint.close()
    server.coap = CoapEndpoint(fast_handlers=server.handlers())
    await server.coap.listen_dtls("127.0.0.1", 0, keys, own)
    await server.coap.listen_tcp("127.0.0.1", 0)
    device = self_signed("device")
    server.device_certificate = device
    keys.certificates[der(device.certificate)] = "mcu"
    await server.coap.listen_tls("127.0.0.1", 0, TlsSettings.of(keys, own, authorities=(device.certificate,)))
    yield server


def uri(server: Server, scheme: str) -> str:
    host, port = server.endpoint.address(scheme)
    return f"{scheme}://{host}:{port}"


def certificate_account(server: Server, own: OwnCertificate, scheme: str) -> Account:
    device = server.device_certificate
    return Account(
        uri(server, scheme),
        short_server_id=1,
        security_mode=SecurityMode.CERTIFICATE,
        identity=der(device.certificate),
        server_key=der(own.certificate),
        secret=device.private_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        binding="T" if "tcp" in scheme else "U",
    )


async def works(server: Server, account: Account, identity: str | None) -> None:
    """Register, be read, send."""
    async with Lwm2mClient("mcu", account, catalogue=server.catalogue) as client:
        await server.until_registered()
        assert server.device.identity == identity
        assert await server.value("/3/0/2") == "mcu"
        assert await client.send([Record(ObjectPath.parse("/3/0/2"), "mcu")])
    assert server.deregistered == 1


async def test_a_pre_shared_key_over_dtls(secure: Server) -> None:
    await works(secure, psk_account(secure, "coaps"), "mcu")


async def test_certificates_over_dtls(secure: Server, own: OwnCertificate) -> None:
    await works(secure, certificate_account(secure, own, "coaps"), "mcu")


async def test_certificates_over_tls(secure: Server, own: OwnCertificate) -> None:
    await works(secure, certificate_account(secure, own, "coaps+tcp"), "mcu")
    assert secure.registrations[0].binding == "T"


def psk_account(server: Server, scheme: str) -> Account:
    return Account(
        uri(server, scheme),
        short_server_id=1,
        security_mode=SecurityMode.PRE_SHARED_KEY,
        identity=b"mcu-identity",
        secret=KEY,
        binding="T" if "tcp" in scheme else "U",
    )


@pytest.mark.skipif(not HAS_PSK, reason="TLS with pre-shared keys needs Python 3.13")
async def test_a_pre_shared_key_over_tls(secure: Server) -> None:
    await works(secure, psk_account(secure, "coaps+tcp"), "mcu")
    assert secure.registrations[0].binding == "T"


def test_tls_says_which_accounts_it_cannot_serve(secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml_simulator.client.credentials.HAS_PSK", False)
    with pytest.raises(InvalidAccount, match=r"Python 3\.13.*Use coaps://"):
        tls_settings(Security.of(psk_account(secure, "coaps+tcp")))
    raw = dataclasses.replace(psk_account(secure, "coaps+tcp"), security_mode=SecurityMode.RAW_PUBLIC_KEY)
    with pytest.raises(InvalidAccount, match="needs a certificate"):
        tls_settings(Security.of(raw))


async def test_plain_tcp(secure: Server) -> None:
    await works(secure, Account(uri(secure, "coap+tcp"), short_server_id=1, binding="T"), None)


async def test_a_server_that_forgot_the_session_is_reached_by_another_one(secure: Server, keys: Keys) -> None:
    account = psk_account(secure, "coaps")
    async with Lwm2mClient("mcu", account, catalogue=secure.catalogue) as client:
        await secure.until_registered()
        host, port = secure.endpoint.address("coaps")
        secure.endpoint._transports["coaps"]._sessions.__init__(16, 16)  # killed, it says goodbye to nobody
        await secure.endpoint.close()
        secure.coap = CoapEndpoint(fast_handlers=secure.handlers())
        await secure.coap.listen_dtls(host, port, keys)
        connection = ServerConnection(client.coap, ServerUri("coaps", host, port))
        message = Message(code=Code.POST, uri_path=("dp",), payload=b"\x80", content_format=112)
        with pytest.raises(RequestTimeout):
            await connection.request(message, patience=0.3)
        assert (await connection.request(message.copy(), patience=5)).code is Code.CHANGED


@pytest.mark.parametrize("wrong", ["key", "server"])
async def test_a_wrong_key_and_a_wrong_server_lead_nowhere(secure: Server, own: OwnCertificate, wrong: str) -> None:
    if wrong == "key":
        account = Account(
            uri(secure, "coaps"),
            short_server_id=1,
            security_mode=SecurityMode.PRE_SHARED_KEY,
            identity=b"mcu-identity",
            secret=KEY[::-1],
        )
    else:
        account = certificate_account(secure, self_signed("impostor"), "coaps")
    async with Lwm2mClient("mcu", account, catalogue=secure.catalogue) as client:
        secure.patience = 0.5
        with pytest.raises(TimeoutError):
            await secure.until_registered()
        assert not client.registered.is_set()


async def test_a_device_with_a_key_takes_a_module_over_dtls(
    secure: Server, make_device: Any, with_profile: Any, modules: Any
) -> None:
    profile = with_profile(security=DeviceSecurity(SecurityMode.PRE_SHARED_KEY, b"mcu-identity", KEY))
    secure.packages["first"] = modules.package(profile, 1)
    async with make_device(profile, server_uri=uri(secure, "coaps")) as device:
        await secure.until_registered()
        await secure.write("/9/0/3", f"{uri(secure, 'coaps')}/packages/first")
        await secure.poll("/42770/0/11", ModuleState.STAGED)
        assert device.firmware is not None
        assert device.firmware.client.radio.figures.bytes_in > 1000


@pytest.mark.parametrize(
    "values", [{0: "coaps://h", 2: 0, 3: b"\xff"}, {0: "coaps://h", 2: 2, 3: b"x", 4: b"y", 5: b"z"}]
)
def test_keys_that_cannot_be_used_are_named(values: dict[int, Any]) -> None:
    with pytest.raises(InvalidAccount):
        credential(Security(0, values))


KEYS = OscoreKeys(bytes(range(16)), b"device", b"server", b"salt")


def keyring() -> OscoreKeyring:
    ring = OscoreKeyring()
    ring.add(OscoreCredential("mcu", KEYS.master_secret, b"server", b"device", master_salt=b"salt"))
    return ring


async def test_oscore_over_plain_udp(server: Server) -> None:
    server.endpoint.use_oscore(keyring(), MemoryStates())
    account = Account(server.uri, short_server_id=1)
    async with Lwm2mClient("mcu", account, catalogue=server.catalogue, oscore=KEYS.instance()) as client:
        await server.until_registered()
        assert server.device.identity == "mcu"
        assert await server.value("/3/0/0") == "lwm2m-ml"
        assert (await server.ask(Code.GET, "/21/0")).code is Code.UNAUTHORIZED
        assert await client.send([Record(ObjectPath.parse("/3/0/2"), "mcu")])


async def test_a_device_keeps_its_oscore_numbers_over_a_power_cut(
    server: Server, make_device: Any, with_profile: Any
) -> None:
    server.endpoint.use_oscore(keyring(), MemoryStates())
    async with make_device(with_profile(security=DeviceSecurity(oscore=KEYS))) as device:
        await server.until_registered()
        device.cut_power()
        await server.until_registered(2)
        assert server.device.identity == "mcu"
        assert await server.value("/3/0/0") == "lwm2m-ml"
