"""The server's own certificate: given as PEM files, or made at the first start and kept in the data directory."""

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lwm2m_ml.coap.dtls.credentials import OwnCertificate
from lwm2m_ml.errors import UsageError
from lwm2m_ml.server.credentials.drafts import private_key_pem, self_signed

CERTIFICATE_FILE = "server-certificate.pem"
PRIVATE_KEY_FILE = "server-private-key.pem"


def own_certificate(
    directory: Path, certificate: Path | None = None, private_key: Path | None = None
) -> OwnCertificate:
    """The certificate that devices are shown. Raises `UsageError` when given files cannot be used."""
    if (certificate is None) != (private_key is None):
        raise UsageError("A certificate needs its private key", hint="Give --certificate and --private-key")
    if certificate is not None and private_key is not None:
        return _read(certificate, private_key)
    kept, key = directory / CERTIFICATE_FILE, directory / PRIVATE_KEY_FILE
    if not (kept.exists() and key.exists()):
        _make(kept, key)
    return _read(kept, key)


def own_certificate_pem(own: OwnCertificate) -> str:
    """The certificate alone, for devices to pin."""
    return own.certificate.public_bytes(serialization.Encoding.PEM).decode()


def _make(certificate: Path, private_key: Path) -> None:
    certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made, key = self_signed("lwm2m-ml")
    # The certificate comes last: without it, the next start makes both again.
    _write(private_key, private_key_pem(key).encode(), mode=0o600)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(certificate: Path, private_key: Path) -> OwnCertificate:
    try:
        first, *chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        key = serialization.load_pem_private_key(private_key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        message = f"The server's certificate {certificate} or its key {private_key} cannot be read"
        raise UsageError(message, hint="Give both as PEM, the key without a passphrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise UsageError(f"The key in {private_key} is of a kind that devices cannot use", hint="Use P-256")
    if key.public_key() != first.public_key():
        raise UsageError(f"{private_key} is not the key of {certificate}")
    return OwnCertificate(first, key, tuple(chain))
