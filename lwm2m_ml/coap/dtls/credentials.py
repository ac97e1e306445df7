"""Where keys come from: what a credential store must be able to answer for DTLS and TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lwm2m_ml.coap.dtls.certificates import PeerCertificate, TrustedPeer, has_strong_key
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.errors import InvalidInputError


class WeakCertificate(InvalidInputError, CoapError):
    """A certificate of our own whose key is not of a kind and size to be relied on."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A peer that is known: its name for the layers above, and its key when that is shared."""

    identity: str
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """What we show to a server that shares a key with us."""

    identity: str
    key: bytes

    def __repr__(self) -> str:
        return f"PreSharedKey(identity={self.identity!r})"


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """Our certificate, its private key, and the certificates up to the issuer."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    def check(self) -> None:
        """Raise WeakCertificate when peers would be right to refuse it."""
        if not has_strong_key(self.certificate):
            raise WeakCertificate(
                f"The key of the certificate for {self.certificate.subject.rfc4514_string()!r} is too weak",
                hint="Use ECDSA with P-256 or better, or RSA with 2,048 bits or more",
            )

    def __repr__(self) -> str:
        return f"OwnCertificate(subject={self.certificate.subject.rfc4514_string()!r})"


@dataclass(frozen=True, slots=True)
class OwnKey:
    """Our private key, of which only the public half is shown, without a certificate (RFC 7250)."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """The public key that a peer must own, as SubjectPublicKeyInfo in DER."""

    public_key: bytes


@dataclass(frozen=True, slots=True)
class ServerCredential:
    """How to connect to a server: a shared key, or a key of our own and what the server must show."""

    secret: PreSharedKey | OwnCertificate | OwnKey
    server: TrustedPeer | TrustedKey | None = None
    server_name: str = ""
    """Sent as SNI when not empty."""


class CredentialLookup(Protocol):
    """Answers at once and from memory: it is asked in the middle of a handshake."""

    def pre_shared_key(self, identity: str) -> Granted | None:
        """The key of a PSK identity; None refuses it."""

    def certificate(self, peer: PeerCertificate) -> Granted | None:
        """Who the owner of a certificate is; its signature over the handshake was checked, nothing else."""

    def raw_public_key(self, key: bytes) -> Granted | None:
        """Who the owner of a public key (SubjectPublicKeyInfo, DER) is; only DTLS with connection ids asks."""

    def is_valid(self, identity: str) -> bool:
        """Whether a granted identity is still good; asked when a session is resumed."""

    def server(self, host: str, port: int) -> ServerCredential | None:
        """How to connect to a server as a client."""


class NoCredentials:
    """Knows nobody."""

    def pre_shared_key(self, identity: str) -> Granted | None:
        """Refuse."""
        return None

    def certificate(self, peer: PeerCertificate) -> Granted | None:
        """Refuse."""
        return None

    def raw_public_key(self, key: bytes) -> Granted | None:
        """Refuse."""
        return None

    def is_valid(self, identity: str) -> bool:
        """Refuse."""
        return False

    def server(self, host: str, port: int) -> ServerCredential | None:
        """Connect to nobody."""
        return None
