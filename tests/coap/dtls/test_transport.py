"""CoAP over DTLS between two endpoints, and with OpenSSL's own client."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import aiocoap
import pytest
from aiocoap import resource
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
    Remote,
    RequestTimeout,
)
from lwm2m_ml.coap.dtls import (
    CertificateUsage,
    OwnCertificate,
    PreSharedKey,
    ServerCredential,
    TrustedPeer,
    WeakCertificate,
)
from lwm2m_ml.coap.dtls.connections import new_connection
from lwm2m_ml.coap.dtls.openssl import key_client_context
from lwm2m_ml.coap.dtls.session import DtlsSession
from lwm2m_ml.coap.dtls.transport import DtlsTransport
from tests.coap.dtls.hellos import hello

if TYPE_CHECKING:
    from tests.coap.conftest import Issuer, RawPeer, Store

KEY = bytes(range(16))
SETTINGS = CoapSettings(ack_timeout=0.2, minimum_timeout=0.2, max_retransmit=1, handshake_timeout=0.5)
PATIENT = replace(SETTINGS, handshake_timeout=60.0)
BODY = bytes(range(256)) * 20

Listen = Callable[..., Awaitable[CoapEndpoint]]


def who(request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, f"{request.remote.identity}".encode())


def large(_request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, BODY)


class Value(resource.ObservableResource):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.value = b"1"

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.value)


@pytest.fixture
def value() -> Value:
    return Value()


@pytest.fixture
async def listen(value: Value) -> AsyncIterator[Listen]:
    endpoints: list[CoapEndpoint] = []

    async def listen_one(
        store: Store,
        own: OwnCertificate | None = None,
        named: dict[str, OwnCertificate] | None = None,
        settings: CoapSettings = SETTINGS,
    ) -> CoapEndpoint:
        handlers = FastHandlers()
        handlers.add(aiocoap.GET, "who", who)
        handlers.add(aiocoap.GET, "large", large)
        site = resource.Site()
        site.add_resource(["value"], value)
        endpoint = CoapEndpoint(site=site, fast_handlers=handlers, settings=settings)
        endpoints.append(endpoint)
        await endpoint.listen_dtls("127.0.0.1", 0, store, own, named=named)
        return endpoint

    yield listen_one
    for endpoint in reversed(endpoints):
        await endpoint.close()


def store_of(store: Store, secret: PreSharedKey | OwnCertificate, server: TrustedPeer | None = None) -> Store:
    """Another store of the same kind, for the other side."""
    return type(store)(credential=ServerCredential(secret, server))


@pytest.fixture
async def server(listen: Listen, store: Store) -> CoapEndpoint:
    store.keys["device-1"] = KEY
    return await listen(store)


def get(endpoint: CoapEndpoint, path: str) -> aiocoap.Message:
    host, port = endpoint.local_address
    return aiocoap.Message(code=aiocoap.GET, uri=f"coaps://{host}:{port}/{path}")


async def device(listen: Listen, store: Store, identity: str = "device-1", key: bytes = KEY) -> CoapEndpoint:
    return await listen(store_of(store, PreSharedKey(identity, key)))


async def test_a_device_with_the_key_is_known_by_its_identity(
    listen: Listen, store: Store, server: CoapEndpoint
) -> None:
    client = await device(listen, store)
    assert (await client.request(get(server, "who"))).payload == b"psk:device-1"


async def test_bodies_of_any_size_pass(listen: Listen, store: Store, server: CoapEndpoint) -> None:
    client = await device(listen, store)
    assert (await client.request(get(server, "large"))).payload == BODY


@pytest.mark.parametrize(("identity", "key"), [("device-2", KEY), ("device-1", bytes(16))])
async def test_a_wrong_identity_or_key_is_refused(
    listen: Listen, store: Store, server: CoapEndpoint, identity: str, key: bytes
) -> None:
    client = await device(listen, store, identity, key)
    with pytest.raises(HandshakeFailed):
        await client.request(get(server, "who"))


async def test_a_wrong_key_is_noticed_long_before_the_handshake_times_out(listen: Listen, store: Store) -> None:
    store.keys["device-1"] = KEY
    server = await listen(store, settings=PATIENT)
    client = await listen(store_of(store, PreSharedKey("device-1", bytes(16))), settings=PATIENT)
    with capture_logs() as logs, pytest.raises(HandshakeFailed, match="decrypt"):
        await asyncio.wait_for(client.request(get(server, "who")), 10)
    assert [(log["identity"], log["reason"]) for log in logs if log["log_level"] == "warning"] == [
        ("psk:device-1", "the key of psk:device-1 is another one")
    ]


async def test_an_unknown_identity_is_noticed_at_once_and_logged(
    listen: Listen, store: Store, server: CoapEndpoint
) -> None:
    client = await device(listen, store, "device-2")
    with capture_logs() as logs, pytest.raises(HandshakeFailed):
        await asyncio.wait_for(client.request(get(server, "who")), 0.4)
    assert "the PSK identity 'device-2' is not known" in [log.get("reason") for log in logs]


async def test_one_forged_finished_does_not_end_a_handshake(listen: Listen, store: Store, server: CoapEndpoint) -> None:
    transport = server._transports["coaps"]
    assert isinstance(transport, DtlsTransport)
    session = DtlsSession(new_connection(key_client_context(lambda _: None)[0]), ("127.0.0.1", 9), 0.0)
    transport._finished_in_vain(session)
    assert session.finished_in_vain == 1
    client = await device(listen, store)
    assert (await client.request(get(server, "who"))).payload == b"psk:device-1"


async def test_openssl_itself_is_told_that_its_key_is_wrong(listen: Listen, store: Store) -> None:
    store.keys["device-1"] = bytes(16)
    server = await listen(store, settings=PATIENT)
    with capture_logs() as logs:
        assert await ask_with_openssl(server, "PSK-AES128-CCM8") == b""
    assert "the key of psk:device-1 is another one" in [log.get("reason") for log in logs]


async def test_without_a_credential_no_handshake_begins(listen: Listen, store: Store, server: CoapEndpoint) -> None:
    client = await listen(type(store)())
    with pytest.raises(HandshakeFailed, match="no credential"):
        await client.request(get(server, "who"))


async def test_the_server_asks_the_device_over_the_same_session(
    listen: Listen, store: Store, server: CoapEndpoint
) -> None:
    seen: list[Remote] = []

    def register(request: FastRequest) -> FastAnswer:
        seen.append(request.remote)
        return FastResponse(0x41)

    server._responder._fast.add(aiocoap.POST, "rd", register)
    client = await device(listen, store)
    message = get(server, "rd")
    message.code = aiocoap.POST
    await client.request(message)
    question = aiocoap.Message(code=aiocoap.GET, uri_path=["value"])
    question.remote = seen[0]
    assert (await server.request(question)).payload == b"1"


async def test_an_observation_follows_its_device_into_a_new_session(
    listen: Listen, store: Store, server: CoapEndpoint, value: Value
) -> None:
    client = await device(listen, store)
    await client.request(get(server, "who"))
    old = server._transports["coaps"]._sessions.established(client.local_address).remote  # type: ignore[attr-defined]
    message = aiocoap.Message(code=aiocoap.GET, uri_path=["value"])
    message.remote = old
    observation = await server.observe(message, lambda _: None)
    again = await device(listen, store)
    await again.request(get(server, "who"))
    new = server._transports["coaps"]._sessions.established(again.local_address).remote  # type: ignore[attr-defined]
    server.rebind(old, new)
    message = aiocoap.Message(code=aiocoap.GET, uri_path=["value"])
    message.remote = old
    assert (await server.request(message)).payload == b"1"
    assert observation.active
    observation.forget()


async def test_a_removed_credential_ends_the_session(listen: Listen, store: Store, server: CoapEndpoint) -> None:
    client = await device(listen, store)
    await client.request(get(server, "who"))
    del store.keys["device-1"]
    server.drop_identity("psk:device-1")
    with pytest.raises(NetworkError):
        await client.request(get(server, "who"))


async def test_requests_to_an_identity_that_is_dropped_fail(listen: Listen, store: Store, server: CoapEndpoint) -> None:
    client = await device(listen, store)
    await client.request(get(server, "who"))
    remote = server._transports["coaps"]._sessions.established(client.local_address).remote  # type: ignore[attr-defined]
    await client.close()
    message = aiocoap.Message(code=aiocoap.GET, uri_path=["value"])
    message.remote = remote
    task = asyncio.create_task(server.request(message))
    await asyncio.sleep(0)
    server.drop_identity("psk:device-1")
    with pytest.raises((NetworkError, RequestTimeout)):
        await task


# Certificates


@pytest.mark.parametrize("usage", list(CertificateUsage), ids=lambda usage: usage.name.lower())
async def test_both_sides_show_certificates(
    listen: Listen, store: Store, issuer: Issuer, usage: CertificateUsage
) -> None:
    server_certificate, device_certificate = issuer.issue("server"), issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(device_certificate.certificate)
    server = await listen(store, server_certificate)
    issued = usage in (CertificateUsage.DOMAIN_ISSUED_CERTIFICATE, CertificateUsage.SERVICE_CERTIFICATE_CONSTRAINT)
    known = server_certificate.certificate if issued else issuer.own.certificate
    trusted = TrustedPeer(known, usage, (issuer.own.certificate,), "127.0.0.1")
    client = await listen(store_of(store, device_certificate, trusted))
    assert (await client.request(get(server, "who"))).payload == b"x509:device-7"


async def test_a_certificate_that_the_store_does_not_know_is_refused(
    listen: Listen, store: Store, issuer: Issuer, other_issuer: Issuer
) -> None:
    server_certificate = issuer.issue("server")
    store.peers["device-7"] = TrustedPeer(issuer.own.certificate, CertificateUsage.TRUST_ANCHOR_ASSERTION)
    server = await listen(store, server_certificate)
    client = await listen(store_of(store, other_issuer.issue("device-7"), TrustedPeer(server_certificate.certificate)))
    with pytest.raises(NetworkError):
        await client.request(get(server, "who"))


async def test_a_server_with_another_certificate_is_refused(
    listen: Listen, store: Store, issuer: Issuer, other_issuer: Issuer
) -> None:
    server = await listen(store, issuer.issue("server"))
    expected = TrustedPeer(other_issuer.issue("server").certificate)
    client = await listen(store_of(store, issuer.issue("device-7"), expected))
    with pytest.raises(HandshakeFailed):
        await client.request(get(server, "who"))


async def test_a_client_gets_the_certificate_of_the_name_it_asks_for(
    listen: Listen, store: Store, issuer: Issuer
) -> None:
    default, other = issuer.issue("default"), issuer.issue("fleet.example")
    own = issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(store, default, {"fleet.example": other})
    for name, shown in (
        ("fleet.example", other),
        ("Fleet.Example", other),
        ("elsewhere.example", default),
        ("", default),
    ):
        credential = ServerCredential(own, TrustedPeer(shown.certificate), name)
        client = await listen(type(store)(credential=credential))
        assert (await client.request(get(server, "who"))).payload == b"x509:device-7"


async def test_a_weak_certificate_of_our_own_is_refused_at_the_start(
    listen: Listen, store: Store, issuer: Issuer
) -> None:
    with pytest.raises(WeakCertificate, match="too weak"):
        await listen(store, issuer.issue("server", curve=ec.SECP224R1()))


# Resumption


async def test_a_client_resumes_its_session(
    listen: Listen, store: Store, server: CoapEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server forgets the key in between: only a resumed session can still be made."""
    client = await device(listen, store)
    await client.request(get(server, "who"))
    monkeypatch.setattr(store, "is_valid", lambda identity: identity == "psk:device-1")
    await end_sessions(server, client)
    store.keys.clear()
    assert (await client.request(get(server, "who"))).payload == b"psk:device-1"


async def test_a_client_resumes_a_session_with_certificates(listen: Listen, store: Store, issuer: Issuer) -> None:
    own, shown = issuer.issue("device-7"), issuer.issue("server")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(store, shown)
    client = await listen(store_of(store, own, TrustedPeer(shown.certificate)))
    await client.request(get(server, "who"))
    await end_sessions(server, client)
    assert (await client.request(get(server, "who"))).payload == b"x509:device-7"


async def test_a_session_is_not_resumed_with_another_credential(
    listen: Listen, store: Store, server: CoapEndpoint
) -> None:
    mine = store_of(store, PreSharedKey("device-1", KEY))
    client = await listen(mine)
    await client.request(get(server, "who"))
    await end_sessions(server, client)
    store.keys["device-2"] = KEY
    mine.credential = ServerCredential(PreSharedKey("device-2", KEY))
    assert (await client.request(get(server, "who"))).payload == b"psk:device-2"


async def test_a_session_whose_identity_was_revoked_is_not_resumed(
    listen: Listen, store: Store, server: CoapEndpoint
) -> None:
    client = await device(listen, store)
    await client.request(get(server, "who"))
    store.keys.clear()
    server.drop_identity("psk:device-1")
    await until_without_session(client)
    with pytest.raises(NetworkError, match="ended the DTLS session"):
        await client.request(get(server, "who"))


async def end_sessions(server: CoapEndpoint, client: CoapEndpoint) -> None:
    """The server says goodbye, as it does to make room."""
    transport = server._transports["coaps"]
    assert isinstance(transport, DtlsTransport)
    for session in transport._sessions.all():
        transport._say_goodbye(session)
        transport._end(session)
    await until_without_session(client)


async def until_without_session(client: CoapEndpoint) -> None:
    transport = client._transports["coaps"]
    assert isinstance(transport, DtlsTransport)
    async with asyncio.timeout(5):
        while len(transport._sessions):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


# What costs nothing


async def test_a_client_hello_without_cookie_leaves_nothing_behind(server: CoapEndpoint, peer: RawPeer) -> None:
    transport = server._transports["coaps"]
    await peer.send(server.local_address, hello())
    answer, _ = await peer.receive_bytes()
    assert answer[0] == 22
    assert answer[13] == 3, "a HelloVerifyRequest"
    assert len(answer) < len(hello())
    assert len(transport._sessions) == 0  # type: ignore[attr-defined]


async def test_a_client_hello_with_a_wrong_cookie_gets_the_right_one(server: CoapEndpoint, peer: RawPeer) -> None:
    await peer.send(server.local_address, hello())
    first, _ = await peer.receive_bytes()
    await peer.send(server.local_address, hello(b"wrong"))
    second, _ = await peer.receive_bytes()
    assert second == first
    assert len(server._transports["coaps"]._sessions) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "junk", [b"", b"\x16", b"\x16\xfe\xfd" + bytes(200), b"\x40\x01\x00\x01", b"\x17\xfe\xfd" + bytes(60)]
)
async def test_junk_leaves_nothing_behind(server: CoapEndpoint, peer: RawPeer, junk: bytes) -> None:
    await peer.send(server.local_address, junk)
    await peer.send(server.local_address, hello())
    assert (await peer.receive_bytes())[0][13] == 3
    assert len(server._transports["coaps"]._sessions) == 0  # type: ignore[attr-defined]


async def test_a_forged_client_hello_does_not_end_a_session(listen: Listen, store: Store, server: CoapEndpoint) -> None:
    client = await device(listen, store)
    await client.request(get(server, "who"))
    server._transports["coaps"].datagram_received(hello(), client.local_address)  # type: ignore[attr-defined]
    assert (await client.request(get(server, "who"))).payload == b"psk:device-1"


async def ask_with_openssl(server: CoapEndpoint, suite: str, *more: str) -> bytes:
    """What OpenSSL's own client gets for one request; skips the test when the program is not there."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program is not installed")
    host, port = server.local_address
    process = await asyncio.create_subprocess_exec(
        openssl, "s_client", "-dtls1_2", "-quiet", "-connect", f"{host}:{port}", "-psk", KEY.hex(),
        "-psk_identity", "device-1", "-cipher", f"{suite}:@SECLEVEL=0", *more,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"\x40\x01\x0a\x0d\xb3who")
        await process.stdin.drain()
        return await asyncio.wait_for(process.stdout.read(100), 10)
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@pytest.mark.parametrize("suite", ["PSK-AES128-CCM8", "PSK-AES128-CCM", "PSK-AES128-GCM-SHA256"])
async def test_openssl_itself_gets_an_answer(server: CoapEndpoint, suite: str) -> None:
    assert await ask_with_openssl(server, suite) == b"\x60\x45\x0a\x0d\xffpsk:device-1"


async def test_a_resumed_session_has_the_identity_of_the_first(
    server: CoapEndpoint, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is not asked for again: without it only resumption can succeed."""
    saved = tmp_path / "session.pem"
    first = await ask_with_openssl(server, "PSK-AES128-CCM8", "-sess_out", str(saved))
    store.keys.clear()
    monkeypatch.setattr(store, "is_valid", lambda identity: identity == "psk:device-1")
    again = await ask_with_openssl(server, "PSK-AES128-CCM8", "-sess_in", str(saved))
    assert first == again == b"\x60\x45\x0a\x0d\xffpsk:device-1"
