"""DTLS stacks of others at the other end: OpenSSL's programs, libcoap's on OpenSSL and on GnuTLS.

Each test skips where its peer is missing (Debian: `apt install openssl libcoap3-bin`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls import TrustedPeer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lwm2m_ml.coap import CoapEndpoint
    from lwm2m_ml.coap.dtls import OwnCertificate, OwnKey
    from tests.coap.conftest import Issuer, Store
    from tests.coap.dtls_cid.conftest import Get, Listen, StartDevice

KEY = "0123456789abcdef"
PSK = ["PSK-AES128-CCM8", "PSK-AES128-CCM", "PSK-AES128-GCM-SHA256"]
ECDSA = ["ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES128-GCM-SHA256"]
LIBRARIES = ["openssl", "gnutls"]
ASK_WHO = b"\x40\x01\x0a\x0d\xb3who"
PATIENCE = 15


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: {'openssl' if name == 'openssl' else 'libcoap3-bin'})")
    return found


@contextlib.asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that is ended with the test."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, stderr=null)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def ask_with_openssl(server: CoapEndpoint, suite: str, *more: str) -> bytes:
    """What OpenSSL's own client gets for one request."""
    host, port = server.local_address
    command = [program("openssl"), "s_client", "-dtls1_2", "-quiet", "-connect", f"{host}:{port}"]
    async with running(*command, "-cipher", f"{suite}:@SECLEVEL=0", *more) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(ASK_WHO)
        await process.stdin.drain()
        return await asyncio.wait_for(process.stdout.read(100), PATIENCE)


async def ask_with_libcoap(library: str, server: CoapEndpoint, path: str, *more: str) -> bytes:
    """What libcoap's client gets for one request."""
    host, port = server.local_address
    command = [program(f"coap-client-{library}"), "-B", "5", *more, f"coaps://{host}:{port}/{path}"]
    async with running(*command) as process:
        return (await asyncio.wait_for(process.communicate(), PATIENCE))[0]


def written(directory: Path, own: OwnCertificate, name: str = "own") -> tuple[str, str]:
    """Certificate and key as files."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_bytes(own.certificate.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(own.private_key.private_bytes(pem, pkcs8, plain))
    return str(certificate), str(key)


# Clients of others


@pytest.mark.parametrize("suite", PSK)
async def test_openssl_with_a_key_gets_an_answer(server: CoapEndpoint, suite: str) -> None:
    key = ["-psk", KEY.encode().hex(), "-psk_identity", "device-1"]
    assert await ask_with_openssl(server, suite, *key) == b"\x60\x45\x0a\x0d\xffpsk:device-1"


async def test_openssl_is_told_that_its_key_is_wrong(server: CoapEndpoint) -> None:
    assert await ask_with_openssl(server, PSK[0], "-psk", "00" * 16, "-psk_identity", "device-1") == b""


@pytest.mark.parametrize("suite", ECDSA)
async def test_openssl_with_a_certificate_gets_an_answer(
    listen: Listen, store: Store, issuer: Issuer, tmp_path: Path, suite: str
) -> None:
    own = issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(store, issuer.issue("server"))
    certificate, key = written(tmp_path, own)
    authority, _ = written(tmp_path, issuer.own, "authority")
    shown = ["-cert", certificate, "-key", key, "-CAfile", authority, "-verify_return_error"]
    assert await ask_with_openssl(server, suite, *shown) == b"\x60\x45\x0a\x0d\xffx509:device-7"


@pytest.mark.parametrize("library", LIBRARIES)
async def test_libcoap_with_a_key_gets_an_answer(server: CoapEndpoint, library: str) -> None:
    key = ["-u", "device-1", "-k", KEY]
    assert (await ask_with_libcoap(library, server, "who", *key)).strip() == b"psk:device-1"
    assert len(await ask_with_libcoap(library, server, "large", *key)) >= 5120


@pytest.mark.parametrize("library", LIBRARIES)
async def test_libcoap_with_a_certificate_gets_an_answer(
    listen: Listen, store: Store, issuer: Issuer, tmp_path: Path, library: str
) -> None:
    own = issuer.issue("device-7")
    store.peers["device-7"] = TrustedPeer(own.certificate)
    server = await listen(store, issuer.issue("server"))
    certificate, key = written(tmp_path, own)
    authority, _ = written(tmp_path, issuer.own, "authority")
    shown = ["-c", certificate, "-j", key, "-R", authority]
    assert (await ask_with_libcoap(library, server, "who", *shown)).strip() == b"x509:device-7"


async def test_libcoap_with_a_raw_public_key_gets_an_answer(
    listen: Listen, store: Store, tmp_path: Path, raw_key: OwnKey
) -> None:
    """Only its GnuTLS build has raw keys."""
    private = ec.generate_private_key(ec.SECP256R1())
    der, pem, info = serialization.Encoding.DER, serialization.Encoding.PEM, serialization.PublicFormat
    store.public_keys["device-3"] = private.public_key().public_bytes(der, info.SubjectPublicKeyInfo)
    server = await listen(store, raw_key)
    file = tmp_path / "key.pem"
    traditional, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    file.write_bytes(
        private.public_key().public_bytes(pem, info.SubjectPublicKeyInfo)
        + private.private_bytes(pem, traditional, plain)
    )
    answer = await ask_with_libcoap("gnutls", server, "who", "-M", str(file), "-n")
    assert answer.strip() == b"rpk:device-3"


# Servers of others


@pytest.fixture
def secure_port() -> int:
    """A free port with a free one before it, on which libcoap's servers speak plain CoAP."""
    for _ in range(50):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)]
            sockets[0].bind(("127.0.0.1", 0))
            plain: int = sockets[0].getsockname()[1]
            sockets[1].bind(("127.0.0.1", plain + 1))
            return plain + 1
    raise AssertionError("no two free ports stand side by side")


async def libcoap_answers(client: CoapEndpoint, get: Get, port: int) -> bytes:
    """The beginning of libcoap's root resource, asked for until its server is up."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(Exception):
                answer: bytes = (await client.request(get("", ("127.0.0.1", port)))).payload
                return answer
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_server_on_libcoap_with_a_key_answers_us(
    device: StartDevice, get: Get, secure_port: int, library: str
) -> None:
    arguments = ["-A", "127.0.0.1", "-p", str(secure_port - 1), "-k", KEY]
    async with running(program(f"coap-server-{library}"), *arguments):
        client = await device()
        assert b"libcoap" in await libcoap_answers(client, get, secure_port)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_server_on_libcoap_with_a_certificate_answers_us(
    device: StartDevice, get: Get, issuer: Issuer, tmp_path: Path, secure_port: int, library: str
) -> None:
    shown, own = issuer.issue("server"), issuer.issue("device-7")
    certificate, key = written(tmp_path, shown)
    authority, _ = written(tmp_path, issuer.own, "authority")
    arguments: Sequence[str] = ["-A", "127.0.0.1", "-p", str(secure_port - 1)]
    async with running(program(f"coap-server-{library}"), *arguments, "-c", certificate, "-j", key, "-R", authority):
        client = await device(secret=own, expects=TrustedPeer(shown.certificate))
        assert b"libcoap" in await libcoap_answers(client, get, secure_port)
