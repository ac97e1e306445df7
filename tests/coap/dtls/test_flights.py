"""Flights with long certificates on the wire: no datagram is longer than what paths carry."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiocoap
import pytest
from cryptography.hazmat.primitives import serialization

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.dtls import CertificateUsage, OwnCertificate, ServerCredential, TrustedPeer
from lwm2m_ml.coap.dtls.connections import MTU

if TYPE_CHECKING:
    from pathlib import Path

    from tests.coap.conftest import Issuer, Store

SETTINGS = CoapSettings(handshake_timeout=3.0)
LEVELS = 14
ALIASES = [f"line-{number}.factory.example" for number in range(200)]
LONG = 5_000
"""More than a peer of ours takes in one datagram."""

Listen = Callable[..., Awaitable[CoapEndpoint]]


@dataclass
class Tap(asyncio.DatagramProtocol):
    """Stands between one device and a server, and keeps what passes."""

    server: tuple[str, int]
    transport: Any = None
    device: tuple[str, int] = ("", 0)
    up: list[bytes] = field(default_factory=list)
    down: list[bytes] = field(default_factory=list)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr == self.server:
            self.down.append(data)
            self.transport.sendto(data, self.device)
        else:
            self.device = addr
            self.up.append(data)
            self.transport.sendto(data, self.server)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.transport.get_extra_info("sockname")
        return host, port


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    async with contextlib.AsyncExitStack() as endpoints:

        async def listen_one(store: Store, own: OwnCertificate | None = None) -> CoapEndpoint:
            handlers = FastHandlers()
            handlers.add(aiocoap.GET, "who", who)
            endpoint = CoapEndpoint(fast_handlers=handlers, settings=SETTINGS)
            endpoints.push_async_callback(endpoint.close)
            await endpoint.listen_dtls("127.0.0.1", 0, store, own)
            return endpoint

        yield listen_one


def who(request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, f"{request.remote.identity}".encode())


@pytest.fixture
def own(issuer: Issuer) -> OwnCertificate:
    """A device's certificate with a great many names."""
    return issuer.issue("device-7", aliases=ALIASES)


@pytest.fixture
async def tap(listen: Listen, store: Store, issuer: Issuer, own: OwnCertificate) -> AsyncIterator[Tap]:
    """Before a server whose certificate has a great many authorities above it."""
    authority = issuer
    for level in range(LEVELS):
        authority = authority.appoint(f"authority {level}")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(store, authority.issue("server"))
    transport, tap = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Tap(server.local_address), local_addr=("127.0.0.1", 0)
    )
    yield tap
    transport.close()


def longest(datagrams: list[bytes]) -> int:
    return max(map(len, datagrams))


async def test_between_two_of_ours_every_datagram_fits(
    listen: Listen, store: Store, issuer: Issuer, own: OwnCertificate, tap: Tap
) -> None:
    trusted = TrustedPeer(issuer.own.certificate, CertificateUsage.TRUST_ANCHOR_ASSERTION)
    client = await listen(type(store)(credential=ServerCredential(own, trusted)))
    host, port = tap.address
    answer = await client.request(aiocoap.Message(code=aiocoap.GET, uri=f"coaps://{host}:{port}/who"))
    assert answer.payload == b"x509:device-7"
    assert sum(map(len, tap.up)) > LONG
    assert sum(map(len, tap.down)) > LONG
    assert longest(tap.up) <= MTU
    assert longest(tap.down) <= MTU


async def test_openssl_itself_takes_a_long_flight_in_datagrams_that_fit(
    issuer: Issuer, own: OwnCertificate, tap: Tap, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program is not installed")
    host, port = tap.address
    process = await asyncio.create_subprocess_exec(
        openssl, "s_client", "-dtls1_2", "-quiet", "-connect", f"{host}:{port}", "-mtu", str(MTU),
        "-verify_return_error", *written(tmp_path, own, issuer), "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"\x40\x01\x0a\x0d\xb3who")
        await process.stdin.drain()
        assert await asyncio.wait_for(process.stdout.read(100), 10) == b"\x60\x45\x0a\x0d\xffx509:device-7"
    finally:
        process.kill()
        await process.communicate()
    assert sum(map(len, tap.down)) > LONG
    assert longest(tap.down) <= MTU


def written(directory: Path, own: OwnCertificate, issuer: Issuer) -> list[str]:
    """A certificate, its key and who is trusted, as files for OpenSSL."""
    certificate, key, authority = (directory / name for name in ("own.pem", "own.key", "authority.pem"))
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    certificate.write_bytes(own.certificate.public_bytes(pem))
    key.write_bytes(own.private_key.private_bytes(pem, pkcs8, plain))
    authority.write_bytes(issuer.own.certificate.public_bytes(pem))
    return ["-cert", str(certificate), "-key", str(key), "-CAfile", str(authority)]
