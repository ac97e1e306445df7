"""CoAP over TLS: pre-shared keys, certificates of both sides, names; between two endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiocoap
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from lwm2m_ml.coap import (
    CoapEndpoint,
    CoapSettings,
    FastAnswer,
    FastHandlers,
    FastRequest,
    FastResponse,
    HandshakeFailed,
    NetworkError,
)
from lwm2m_ml.coap.dtls import (
    CertificateUsage,
    OwnCertificate,
    PreSharedKey,
    ServerCredential,
    TrustedPeer,
    WeakCertificate,
)
from lwm2m_ml.coap.tcp.framing import FrameReader, encode_frame
from lwm2m_ml.coap.tcp.signalling import CSM
from lwm2m_ml.coap.tcp.tls import HAS_PSK, TlsSettings

if TYPE_CHECKING:
    from tests.coap.conftest import Issuer, Store

KEY = bytes(range(16))
WAIT = 5.0
needs_psk = pytest.mark.skipif(not HAS_PSK, reason="TLS with pre-shared keys needs Python 3.13")

Listen = Callable[[TlsSettings], Awaitable[CoapEndpoint]]


def who(request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, f"{request.remote.identity}".encode())


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    endpoints: list[CoapEndpoint] = []

    async def listen_one(tls: TlsSettings) -> CoapEndpoint:
        handlers = FastHandlers()
        handlers.add(aiocoap.GET, "who", who)
        endpoint = CoapEndpoint(fast_handlers=handlers, settings=CoapSettings(csm_timeout=WAIT))
        endpoints.append(endpoint)
        await endpoint.listen_tls("127.0.0.1", 0, tls)
        return endpoint

    yield listen_one
    for endpoint in reversed(endpoints):
        await endpoint.close()


def ask(endpoint: CoapEndpoint) -> aiocoap.Message:
    host, port = endpoint.local_address
    return aiocoap.Message(code=aiocoap.GET, uri=f"coaps+tcp://{host}:{port}/who")


Client = Callable[..., Awaitable[CoapEndpoint]]


@pytest.fixture
def client(listen: Listen, store: Store, issuer: Issuer) -> Client:
    """A device with a credential; it listens too, as every endpoint does."""

    async def make(
        secret: PreSharedKey | OwnCertificate, server: TrustedPeer | None = None, server_name: str = ""
    ) -> CoapEndpoint:
        credential = ServerCredential(secret, server, server_name)
        own = secret if isinstance(secret, OwnCertificate) else None
        return await listen(TlsSettings.of(type(store)(credential=credential), own))

    return make


@needs_psk
async def test_a_device_with_the_key_is_known_by_its_identity(listen: Listen, store: Store, client: Client) -> None:
    store.keys.update({f"device-{n}": KEY + bytes([n]) for n in range(8)})
    server = await listen(TlsSettings.of(store))
    devices = [await client(PreSharedKey(f"device-{n}", KEY + bytes([n]))) for n in range(8)]
    answers = await asyncio.gather(*(device.request(ask(server)) for device in devices))
    assert [answer.payload for answer in answers] == [f"psk:device-{n}".encode() for n in range(8)]


@needs_psk
@pytest.mark.parametrize(
    ("identity", "key", "reason"),
    [
        ("device-1", bytes(16), "the key of psk:device-1 is another one"),
        ("device-2", KEY, "the PSK identity 'device-2' is not known"),
    ],
)
async def test_a_wrong_identity_or_key_is_refused_at_once_and_logged(
    listen: Listen, store: Store, client: Client, identity: str, key: bytes, reason: str
) -> None:
    store.keys["device-1"] = KEY
    server = await listen(TlsSettings.of(store))
    device = await client(PreSharedKey(identity, key))
    with capture_logs() as logs, pytest.raises((HandshakeFailed, NetworkError)):
        await asyncio.wait_for(device.request(ask(server)), WAIT)
    assert reason in [log.get("reason") for log in logs]


@needs_psk
async def test_a_resumed_session_has_the_identity_of_the_first(listen: Listen, store: Store, tmp_path: Path) -> None:
    store.keys["device-1"] = KEY
    server = await listen(TlsSettings.of(store))
    saved = str(tmp_path / "session.pem")
    assert await ask_with_openssl(server, "-sess_out", saved) == b"psk:device-1"
    assert await ask_with_openssl(server, "-sess_in", saved, "-psk", bytes(16).hex()) == b"psk:device-1"
    store.keys.clear()
    assert await ask_with_openssl(server, "-sess_in", saved) == b""


async def ask_with_openssl(server: CoapEndpoint, *more: str) -> bytes:
    """What OpenSSL's own client gets; skips the test when the program is not there."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program is not installed")
    host, port = server.local_address
    process = await asyncio.create_subprocess_exec(
        openssl, "s_client", "-tls1_2", "-quiet", "-connect", f"{host}:{port}", "-psk", KEY.hex(),
        "-psk_identity", "device-1", "-cipher", "PSK-AES128-GCM-SHA256", *more,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    frames = FrameReader(1000)
    try:
        process.stdin.write(encode_frame(CSM, b"", b"") + encode_frame(1, b"t", b"\xb3who"))
        await process.stdin.drain()
        async with asyncio.timeout(WAIT):
            while data := await process.stdout.read(1000):
                for frame in frames.feed(data):
                    if frame.token == b"t":
                        return frame.body.removeprefix(b"\xff")
        return b""
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@needs_psk
async def test_keys_and_certificates_live_together(
    listen: Listen, store: Store, client: Client, issuer: Issuer
) -> None:
    store.keys["device-1"] = KEY
    own, shown = issuer.issue("device-7"), issuer.issue("server")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(TlsSettings.of(store, shown, authorities=[issuer.own.certificate]))
    with_key = await client(PreSharedKey("device-1", KEY))
    with_certificate = await client(own, TrustedPeer(shown.certificate))
    assert (await with_key.request(ask(server))).payload == b"psk:device-1"
    assert (await with_certificate.request(ask(server))).payload == b"x509:device-7"


@pytest.mark.skipif(HAS_PSK, reason="this Python can")
async def test_without_support_a_key_is_refused_with_a_sentence(listen: Listen, store: Store, issuer: Issuer) -> None:
    with pytest.raises(HandshakeFailed, match="cannot speak TLS with pre-shared keys"):
        TlsSettings.of(store)
    lookup = type(store)(credential=ServerCredential(PreSharedKey("device-1", KEY)))
    device = await listen(TlsSettings.of(lookup, issuer.issue("device")))
    with pytest.raises(HandshakeFailed, match="cannot speak TLS with pre-shared keys"):
        await device.request(ask(device))


@pytest.mark.parametrize("usage", list(CertificateUsage), ids=lambda usage: usage.name.lower())
async def test_both_sides_show_certificates(
    listen: Listen, store: Store, client: Client, issuer: Issuer, usage: CertificateUsage
) -> None:
    own, shown = issuer.issue("device-7"), issuer.issue("server")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(TlsSettings.of(store, shown, authorities=[issuer.own.certificate]))
    issued = usage in (CertificateUsage.DOMAIN_ISSUED_CERTIFICATE, CertificateUsage.SERVICE_CERTIFICATE_CONSTRAINT)
    known = shown.certificate if issued else issuer.own.certificate
    device = await client(own, TrustedPeer(known, usage, (issuer.own.certificate,), "127.0.0.1"))
    assert (await device.request(ask(server))).payload == b"x509:device-7"


async def test_a_server_with_another_certificate_is_refused(
    listen: Listen, store: Store, client: Client, issuer: Issuer, other_issuer: Issuer
) -> None:
    server = await listen(TlsSettings.of(store, issuer.issue("server")))
    device = await client(issuer.issue("device-7"), TrustedPeer(other_issuer.issue("server").certificate))
    with pytest.raises(NetworkError):
        await device.request(ask(server))


async def test_a_device_without_a_certificate_is_refused(
    listen: Listen, store: Store, client: Client, issuer: Issuer, other_issuer: Issuer
) -> None:
    shown = issuer.issue("server")
    server = await listen(TlsSettings.of(store, shown, authorities=[issuer.own.certificate]))
    device = await client(other_issuer.issue("device-7"), TrustedPeer(shown.certificate))
    with pytest.raises(NetworkError):
        await device.request(ask(server))


async def test_a_pinned_certificate_needs_no_authority(
    listen: Listen, store: Store, client: Client, issuer: Issuer
) -> None:
    own, shown = issuer.issue("device-7"), issuer.issue("server")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(TlsSettings.of(store, shown, authorities=[own.certificate]))
    device = await client(own, TrustedPeer(shown.certificate))
    assert (await device.request(ask(server))).payload == b"x509:device-7"


async def test_a_client_gets_the_certificate_of_the_name_it_asks_for(
    listen: Listen, store: Store, client: Client, issuer: Issuer
) -> None:
    default, other, own = issuer.issue("default"), issuer.issue("fleet.example"), issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(
        TlsSettings.of(store, default, named={"Fleet.example": other}, authorities=[issuer.own.certificate])
    )
    for name, shown in (("fleet.example", other), ("elsewhere.example", default), ("", default)):
        device = await client(own, TrustedPeer(shown.certificate), name)
        assert (await device.request(ask(server))).payload == b"x509:device-7"


async def test_a_weak_certificate_of_our_own_is_refused_at_the_start(store: Store, issuer: Issuer) -> None:
    with pytest.raises(WeakCertificate):
        TlsSettings.of(store, issuer.issue("server", curve=ec.SECP224R1()))


async def test_a_revoked_credential_ends_the_connection(
    listen: Listen, store: Store, client: Client, issuer: Issuer
) -> None:
    own, shown = issuer.issue("device-7"), issuer.issue("server")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(TlsSettings.of(store, shown, authorities=[issuer.own.certificate]))
    device = await client(own, TrustedPeer(shown.certificate))
    await device.request(ask(server))
    transport: Any = device._transports["coaps+tcp"]
    (connection,) = transport._connections.values()
    del store.peers["device-7"]
    server.drop_identity("x509:device-7")
    await asyncio.wait_for(connection.closed, WAIT)
    with pytest.raises(NetworkError):
        await device.request(ask(server))
