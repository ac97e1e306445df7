"""CoAP over DTLS with connection ids between two endpoints, and with OpenSSL's engine at either end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import aiocoap
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from lwm2m_ml.coap import FastAnswer, FastRequest, FastResponse, HandshakeFailed, NetworkError, Remote
from lwm2m_ml.coap.dtls import CertificateUsage, OwnKey, ServerCredential, TrustedKey, TrustedPeer, WeakCertificate
from lwm2m_ml.coap.dtls12 import Alert
from lwm2m_ml.coap.dtls12.records import plain_alert

if TYPE_CHECKING:
    from lwm2m_ml.coap import CoapEndpoint, CoapSettings
    from lwm2m_ml.coap.dtls_cid.transport import CidTransport
    from tests.coap.conftest import Issuer, RawPeer, Store
    from tests.coap.dtls_cid.conftest import Get, Listen, StartDevice

    Transports = Callable[[CoapEndpoint], CidTransport]

BODY = bytes(range(256)) * 20


def public(key: OwnKey) -> bytes:
    return key.private_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


async def test_a_device_with_the_key_is_known_by_its_identity(device: StartDevice, get: Get) -> None:
    client = await device()
    assert (await client.request(get("who"))).payload == b"psk:device-1"


async def test_bodies_of_any_size_pass(device: StartDevice, get: Get) -> None:
    client = await device()
    assert (await client.request(get("large"))).payload == BODY


async def test_an_openssl_client_is_served(device: StartDevice, get: Get) -> None:
    client = await device(engine="openssl")
    assert (await client.request(get("large"))).payload == BODY


async def test_a_server_on_openssl_serves_us(listen: Listen, store: Store, device: StartDevice, get: Get) -> None:
    store.keys["device-1"] = b"0123456789abcdef"
    server = await listen(store, engine="openssl")
    client = await device()
    assert (await client.request(get("who", server.local_address))).payload == b"psk:device-1"


@pytest.mark.parametrize(("identity", "key"), [("device-2", b"0123456789abcdef"), ("device-1", bytes(16))])
async def test_a_wrong_identity_or_key_is_refused(device: StartDevice, get: Get, identity: str, key: bytes) -> None:
    client = await device(identity, key)
    with pytest.raises(HandshakeFailed):
        await client.request(get("who"))


async def test_a_wrong_key_is_noticed_long_before_the_handshake_times_out(
    device: StartDevice, get: Get, patient: CoapSettings
) -> None:
    client = await device(key=bytes(16), settings=patient)
    with capture_logs() as logs, pytest.raises(HandshakeFailed, match="decrypt_error"):
        await asyncio.wait_for(client.request(get("who")), 10)
    assert [(log["identity"], log["reason"]) for log in logs if log["log_level"] == "warning"] == [
        ("psk:device-1", "the key of psk:device-1 is another one")
    ]


async def test_an_unknown_identity_is_noticed_at_once_and_logged(device: StartDevice, get: Get) -> None:
    client = await device("device-2")
    with capture_logs() as logs, pytest.raises(HandshakeFailed, match="unknown_psk_identity"):
        await asyncio.wait_for(client.request(get("who")), 1)
    assert "the PSK identity 'device-2' is not known" in [log.get("reason") for log in logs]


async def test_no_secret_is_logged(device: StartDevice, get: Get) -> None:
    with capture_logs() as logs:
        client = await device()
        await client.request(get("who"))
        await client.close()
    assert b"0123456789abcdef".hex() not in repr(logs)
    assert "0123456789abcdef" not in repr(logs)


async def test_without_a_credential_no_handshake_begins(listen: Listen, store: Store, get: Get) -> None:
    client = await listen(type(store)())
    with pytest.raises(HandshakeFailed, match="no credential"):
        await client.request(get("who"))


async def test_a_server_that_is_not_there_is_given_up(device: StartDevice, get: Get, unused_port: int) -> None:
    client = await device()
    with pytest.raises(HandshakeFailed, match="in time"):
        await client.request(get("who", ("127.0.0.1", unused_port)))


async def test_the_server_asks_the_device_over_the_same_session(
    device: StartDevice, server: CoapEndpoint, get: Get
) -> None:
    seen: list[Remote] = []

    def register(request: FastRequest) -> FastAnswer:
        seen.append(request.remote)
        return FastResponse(0x41)

    server._responder._fast.add(aiocoap.POST, "rd", register)
    client = await device()
    message = get("rd")
    message.code = aiocoap.POST
    await client.request(message)
    assert (await server.request(get("value", seen[0]))).payload == b"1"


async def test_an_observation_follows_its_device_into_a_new_session(
    device: StartDevice, server: CoapEndpoint, transport: CidTransport, get: Get
) -> None:
    await (await device()).request(get("who"))
    (old,) = transport._peers.all()
    observation = await server.observe(get("value", old), lambda _: None)
    await (await device()).request(get("who"))
    new = transport._peers.all()[-1]
    server.rebind(old, new)
    assert (await server.request(get("value", old))).payload == b"1"
    assert observation.active
    assert transport._peers.all() == [old], "the session before it has ended"
    observation.forget()


async def test_a_removed_credential_ends_the_session(
    device: StartDevice, server: CoapEndpoint, store: Store, get: Get
) -> None:
    client = await device()
    await client.request(get("who"))
    del store.keys["device-1"]
    server.drop_identity("psk:device-1")
    with pytest.raises(NetworkError):
        await client.request(get("who"))


async def test_a_device_that_says_goodbye_leaves_nothing_behind(
    device: StartDevice, transport: CidTransport, get: Get
) -> None:
    client = await device()
    await client.request(get("who"))
    assert len(transport._peers) == 1
    await client.close()
    async with asyncio.timeout(5):
        while len(transport._peers):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


# Certificates and raw keys


@pytest.mark.parametrize("usage", list(CertificateUsage), ids=lambda usage: usage.name.lower())
async def test_both_sides_show_certificates(
    listen: Listen, store: Store, device: StartDevice, get: Get, issuer: Issuer, usage: CertificateUsage
) -> None:
    server_certificate, device_certificate = issuer.issue("server"), issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(device_certificate.certificate)
    server = await listen(store, server_certificate)
    issued = usage in (CertificateUsage.DOMAIN_ISSUED_CERTIFICATE, CertificateUsage.SERVICE_CERTIFICATE_CONSTRAINT)
    known = server_certificate.certificate if issued else issuer.own.certificate
    trusted = TrustedPeer(known, usage, (issuer.own.certificate,), "127.0.0.1")
    client = await device(secret=device_certificate, expects=trusted)
    assert (await client.request(get("who", server.local_address))).payload == b"x509:device-7"


@pytest.mark.parametrize("engines", [("cid", "openssl"), ("openssl", "cid")])
async def test_certificates_are_shown_to_and_by_openssl(
    listen: Listen, store: Store, device: StartDevice, get: Get, issuer: Issuer, engines: tuple[str, str]
) -> None:
    shown, own = issuer.issue("server"), issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(store, shown, engine=engines[0])
    client = await device(secret=own, expects=TrustedPeer(shown.certificate), engine=engines[1])
    assert (await client.request(get("who", server.local_address))).payload == b"x509:device-7"


async def test_a_certificate_that_the_store_does_not_know_is_refused(
    listen: Listen, store: Store, device: StartDevice, get: Get, issuer: Issuer, other_issuer: Issuer
) -> None:
    shown = issuer.issue("server")
    store.peers["device-7"] = TrustedPeer(issuer.own.certificate, CertificateUsage.TRUST_ANCHOR_ASSERTION)
    server = await listen(store, shown)
    client = await device(secret=other_issuer.issue("device-7"), expects=TrustedPeer(shown.certificate))
    with pytest.raises(HandshakeFailed, match="certificate_unknown"):
        await client.request(get("who", server.local_address))


async def test_a_server_with_another_certificate_is_refused(
    listen: Listen, store: Store, device: StartDevice, get: Get, issuer: Issuer, other_issuer: Issuer
) -> None:
    server = await listen(store, issuer.issue("server"))
    expects = TrustedPeer(other_issuer.issue("server").certificate)
    client = await device(secret=issuer.issue("device-7"), expects=expects)
    with pytest.raises(HandshakeFailed, match="not the one that was expected"):
        await client.request(get("who", server.local_address))


async def test_a_client_gets_the_certificate_of_the_name_it_asks_for(
    listen: Listen, store: Store, issuer: Issuer, get: Get
) -> None:
    default, other, own = issuer.issue("default"), issuer.issue("fleet.example"), issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(store, default, {"fleet.example": other})
    for name, shown in (("fleet.example", other), ("Fleet.Example", other), ("elsewhere", default), ("", default)):
        credential = ServerCredential(own, TrustedPeer(shown.certificate), name)
        client = await listen(type(store)(credential=credential))
        assert (await client.request(get("who", server.local_address))).payload == b"x509:device-7"


async def test_both_sides_show_raw_public_keys(
    listen: Listen, store: Store, device: StartDevice, get: Get, raw_key: OwnKey
) -> None:
    own = OwnKey(ec.generate_private_key(ec.SECP256R1()))
    store.public_keys["device-3"] = public(own)
    server = await listen(store, raw_key)
    client = await device(secret=own, expects=TrustedKey(public(raw_key)))
    assert (await client.request(get("who", server.local_address))).payload == b"rpk:device-3"


async def test_a_server_with_a_certificate_shows_its_bare_key_to_who_prefers_that(
    listen: Listen, store: Store, device: StartDevice, get: Get, raw_key: OwnKey, issuer: Issuer
) -> None:
    shown = issuer.issue("server")
    store.public_keys["device-3"] = public(raw_key)
    server = await listen(store, shown)
    assert isinstance(shown.private_key, ec.EllipticCurvePrivateKey)
    client = await device(secret=raw_key, expects=TrustedKey(public(OwnKey(shown.private_key))))
    assert (await client.request(get("who", server.local_address))).payload == b"rpk:device-3"


async def test_an_unknown_raw_public_key_is_refused(
    listen: Listen, store: Store, device: StartDevice, get: Get, raw_key: OwnKey
) -> None:
    server = await listen(store, raw_key)
    client = await device(secret=raw_key, expects=TrustedKey(public(raw_key)))
    with pytest.raises(HandshakeFailed, match="certificate_unknown"):
        await client.request(get("who", server.local_address))


async def test_openssl_says_that_it_does_not_do_raw_keys(device: StartDevice, get: Get, raw_key: OwnKey) -> None:
    client = await device(secret=raw_key, expects=TrustedKey(public(raw_key)), engine="openssl")
    with pytest.raises(HandshakeFailed, match="Raw public keys"):
        await client.request(get("who"))


async def test_a_certificate_of_our_own_on_another_curve_is_refused_at_the_start(
    listen: Listen, store: Store, issuer: Issuer
) -> None:
    with pytest.raises(WeakCertificate, match="P-256"):
        await listen(store, issuer.issue("server", curve=ec.SECP384R1()))


# What costs nothing, or not much


def client_hello() -> bytes:
    """A ClientHello for PSK with CCM_8, without a cookie."""
    body = b"\xfe\xfd" + bytes(range(32)) + b"\x00" + b"\x00" + b"\x00\x02\xc0\xa8" + b"\x01\x00"
    length = len(body).to_bytes(3)
    handshake = b"\x01" + length + b"\x00\x00" + b"\x00\x00\x00" + length + body
    return b"\x16\xfe\xff" + bytes(8) + len(handshake).to_bytes(2) + handshake


@pytest.mark.parametrize(
    "junk",
    [b"", b"\x16", b"\x16\xfe\xfd" + bytes(200), b"\x40\x01\x00\x01", b"\x17\xfe\xfd" + bytes(60), b"\x19" + bytes(99)],
)
async def test_junk_leaves_nothing_behind(
    server: CoapEndpoint, transport: CidTransport, peer: RawPeer, junk: bytes
) -> None:
    await peer.send(server.local_address, junk)
    await peer.send(server.local_address, client_hello())
    answer, _ = await peer.receive_bytes()
    assert answer[13] == 3, "a HelloVerifyRequest"
    assert len(answer) < len(client_hello())
    assert len(transport._peers) == 0
    assert transport._handshakes.all() == []


async def test_a_forged_client_hello_does_not_end_a_session(
    device: StartDevice, get: Get, transport: CidTransport
) -> None:
    client = await device()
    await client.request(get("who"))
    transport.datagram_received(client_hello(), client.local_address)
    assert (await client.request(get("who"))).payload == b"psk:device-1"


async def test_an_alert_in_the_clear_does_not_end_a_session(
    device: StartDevice, get: Get, transport: CidTransport, transports: Transports, server: CoapEndpoint
) -> None:
    client = await device()
    await client.request(get("who"))
    for one, where in ((transport, client.local_address), (transports(client), server.local_address)):
        one.datagram_received(plain_alert(Alert.HANDSHAKE_FAILURE), where)
    assert (await client.request(get("who"))).payload == b"psk:device-1"


async def test_the_oldest_session_gives_way_when_there_are_too_many(
    listen: Listen, store: Store, device: StartDevice, get: Get, patient: CoapSettings, transports: Transports
) -> None:
    store.keys["device-1"] = b"0123456789abcdef"
    server = await listen(store, settings=replace(patient, maximum_sessions=2))
    clients = [await device() for _ in range(3)]
    for client in clients:
        await client.request(get("who", server.local_address))
    assert len(transports(server)._peers) == 2
    with pytest.raises(NetworkError):
        await clients[0].request(get("who", server.local_address))


async def test_handshakes_under_way_are_bounded(
    listen: Listen, store: Store, patient: CoapSettings, transports: Transports
) -> None:
    server = await listen(store, settings=replace(patient, maximum_handshakes=3))
    with ExitStack() as stack:
        for _ in range(6):
            stranger = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            stranger.connect(server.local_address)
            stranger.setblocking(False)
            loop = asyncio.get_running_loop()
            stranger.send(client_hello())
            cookie = (await asyncio.wait_for(loop.sock_recv(stranger, 2000), 5))[28:]
            stranger.send(hello_with(cookie))
            assert (await asyncio.wait_for(loop.sock_recv(stranger, 2000), 5))[13] == 2, "a ServerHello"
    assert len(transports(server)._handshakes.all()) == 3


def hello_with(cookie: bytes) -> bytes:
    body = b"\xfe\xfd" + bytes(range(32)) + b"\x00" + bytes((len(cookie),)) + cookie + b"\x00\x02\xc0\xa8" + b"\x01\x00"
    length = len(body).to_bytes(3)
    handshake = b"\x01" + length + b"\x00\x01" + b"\x00\x00\x00" + length + body
    return b"\x16\xfe\xfd" + bytes(7) + b"\x01" + len(handshake).to_bytes(2) + handshake
