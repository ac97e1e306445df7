"""New credentials before they are stored: generated, or checked when they are given."""

import datetime
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls.certificates import CertificateUsage, PeerCertificate
from lwm2m_ml.errors import InvalidInputError

KEY_BYTES = 16
LARGEST_KEY = 64
LARGEST_IDENTITY = 128
OSCORE_SECRET_BYTES = 16
OSCORE_SALT_BYTES = 8
OSCORE_LARGEST_ID = 7
AES_CCM_16_64_128 = 10
HKDF_SHA_256 = -10
LIFETIME = datetime.timedelta(days=36_525)
"""Of certificates made here: devices without a clock cannot renew them in time, and revocation is at the server."""

CONSTRAINING = frozenset({CertificateUsage.CA_CONSTRAINT, CertificateUsage.SERVICE_CERTIFICATE_CONSTRAINT})
OF_AN_AUTHORITY = frozenset({CertificateUsage.CA_CONSTRAINT, CertificateUsage.TRUST_ANCHOR_ASSERTION})
"""Usages that trust an issuer to name the endpoint; many endpoints share it."""


class UnusableCredential(InvalidInputError):
    """A given credential is malformed or too weak."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What will become a credential: `secret` is what the server must keep, `shown` what the device must get."""

    identity: str
    facts: Mapping[str, Any]
    secret: bytes = field(repr=False)
    shown: Mapping[str, str] = field(repr=False)


def pre_shared_key(endpoint: str, *, identity: str | None = None, key: str | None = None) -> Draft:
    """A PSK identity and key (hexadecimal); made up where they are not given."""
    identity = identity or f"{endpoint[:96]}-{secrets.token_hex(4)}"
    if len(identity.encode()) > LARGEST_IDENTITY or not identity.isprintable():
        raise UnusableCredential(
            "The PSK identity is too long or not printable", hint=f"Use at most {LARGEST_IDENTITY} bytes"
        )
    value = secrets.token_bytes(KEY_BYTES) if key is None else _hexadecimal(key, "key")
    if not KEY_BYTES <= len(value) <= LARGEST_KEY:
        raise UnusableCredential(
            f"A key of {len(value)} bytes cannot be used", hint=f"Use {KEY_BYTES} to {LARGEST_KEY} bytes"
        )
    facts = {"origin": "generated" if key is None else "given"}
    return Draft(identity, facts, value, {"identity": identity, "key": value.hex()})


def certificate(
    endpoint: str,
    *,
    pem: str | None = None,
    usage: int = CertificateUsage.DOMAIN_ISSUED_CERTIFICATE,
    authorities: str = "",
) -> Draft:
    """A certificate and how it restricts what the device may show; without one, a key pair is made for the device."""
    if pem is None:
        return _generated_certificate(endpoint)
    try:
        kind = CertificateUsage(usage)
    except ValueError:
        raise UnusableCredential(f"There is no certificate usage {usage}", hint="Use 0, 1, 2 or 3") from None
    own = _certificates(pem)
    if len(own) != 1:
        raise UnusableCredential(f"{len(own)} certificates were given", hint="Give the authorities apart")
    if not PeerCertificate(own[0]).has_strong_key:
        raise UnusableCredential("The certificate's key is too weak", hint="Use P-256 or RSA with 2,048 bits")
    anchors = _certificates(authorities) if authorities else ()
    if kind in CONSTRAINING and not anchors:
        raise UnusableCredential(f"Certificate usage {int(kind)} needs authorities", hint="Give the trusted roots")
    facts = {"origin": "given", "usage": int(kind), "certificate": _pem(own), "authorities": _pem(anchors)}
    identity = fingerprint(own[0])
    if kind in OF_AN_AUTHORITY:
        identity = f"{identity}/{endpoint}"
    return Draft(identity, facts, b"", {"certificate": _pem(own)})


def raw_public_key(*, public_key: str | None = None) -> Draft:
    """A public key on P-256 in PEM (RFC 7250); without one, a key pair is made for the device."""
    made = None if public_key is not None else ec.generate_private_key(ec.SECP256R1())
    if made is not None:
        key: Any = made.public_key()
    else:
        try:
            key = serialization.load_pem_public_key((public_key or "").encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UnusableCredential("The public key cannot be read", hint="Give it as PEM") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise UnusableCredential("The public key is not on P-256", hint="Devices sign with ECDSA on P-256")
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    facts = {"origin": "given" if made is None else "generated", "public_key": pem}
    shown = {"public_key": pem} if made is None else {"public_key": pem, "private_key": private_key_pem(made)}
    return Draft(key_fingerprint(encoded), facts, b"", shown)


def oscore_context(
    *,
    master_secret: str | None = None,
    master_salt: str | None = None,
    device_id: str | None = None,
    server_id: str | None = None,
    id_context: str | None = None,
) -> Draft:
    """An OSCORE context (RFC 8613 §3.2), all in hexadecimal; made up where it is not given."""
    secret = (
        secrets.token_bytes(OSCORE_SECRET_BYTES)
        if master_secret is None
        else _hexadecimal(master_secret, "master secret")
    )
    if len(secret) < OSCORE_SECRET_BYTES:
        raise UnusableCredential(f"A master secret of {len(secret)} bytes is too short", hint="Use 16 bytes or more")
    given = master_salt is not None or master_secret is not None
    salt = _hexadecimal(master_salt or "", "master salt") if given else secrets.token_bytes(OSCORE_SALT_BYTES)
    ours = secrets.token_bytes(OSCORE_LARGEST_ID) if server_id is None else _hexadecimal(server_id, "server id")
    theirs = secrets.token_bytes(OSCORE_LARGEST_ID) if device_id is None else _hexadecimal(device_id, "device id")
    if max(len(ours), len(theirs)) > OSCORE_LARGEST_ID or ours == theirs:
        raise UnusableCredential("OSCORE ids differ and have at most 7 bytes", hint="Leave them out to have them made")
    context = None if id_context is None else _hexadecimal(id_context, "id context").hex()
    identity = theirs.hex() if context is None else f"{theirs.hex()}.{context}"
    facts = {
        "origin": "generated" if master_secret is None else "given",
        "sender_id": ours.hex(),
        "recipient_id": theirs.hex(),
        "id_context": context,
        "master_salt": salt.hex(),
        "algorithm": AES_CCM_16_64_128,
        "hkdf": HKDF_SHA_256,
    }
    shown = {
        "master_secret": secret.hex(),
        "master_salt": salt.hex(),
        "sender_id": theirs.hex(),
        "recipient_id": ours.hex(),
    }
    return Draft(identity, facts, secret, shown if context is None else {**shown, "id_context": context})


def fingerprint(of: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal."""
    return of.fingerprint(hashes.SHA256()).hex()


def key_fingerprint(public_key: bytes) -> str:
    """SHA-256 of a SubjectPublicKeyInfo in DER, in hexadecimal."""
    return hashlib.sha256(public_key).hexdigest()


def self_signed(common_name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A P-256 key pair and a certificate for a name, to be trusted as itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has at most 64 characters (RFC 5280, ub-common-name).
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name[:64])])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)  # a device's clock may start in the past
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    return made, key


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as unencrypted PKCS #8."""
    no_encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_encryption).decode()


def _generated_certificate(endpoint: str) -> Draft:
    """The server keeps the certificate only: it never needs the device's private key."""
    made, key = self_signed(endpoint)
    usage = int(CertificateUsage.DOMAIN_ISSUED_CERTIFICATE)
    facts = {"origin": "generated", "usage": usage, "certificate": _pem([made]), "authorities": ""}
    return Draft(fingerprint(made), facts, b"", {"certificate": _pem([made]), "private_key": private_key_pem(key)})


def _certificates(pem: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(pem.encode()))
    except ValueError as error:
        raise UnusableCredential("The certificate cannot be read", hint="Give it as PEM") from error


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def _hexadecimal(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnusableCredential(f"The {what} is not hexadecimal", hint="Write two digits for each byte") from None
