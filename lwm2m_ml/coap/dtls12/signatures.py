"""Signatures over handshakes, and the keys that are shown with them: ECDSA on P-256 with SHA-256 (RFC 8422)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from lwm2m_ml.coap.dtls12.errors import HandshakeError, MessageError
from lwm2m_ml.coap.dtls12.numbers import Alert, CertificateType

_ECDSA = ec.ECDSA(hashes.SHA256())
_ECDSA_OF_HASH = ec.ECDSA(Prehashed(hashes.SHA256()))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a peer showed as its own: certificates in DER, its own first, or one raw public key."""

    kind: CertificateType
    entries: tuple[bytes, ...]

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key that must have signed. Raises HandshakeError when it cannot be used."""
        if not self.entries:
            raise HandshakeError(Alert.HANDSHAKE_FAILURE, "the peer showed no certificate")
        try:
            if self.kind is CertificateType.RAW_PUBLIC_KEY:
                key = serialization.load_der_public_key(self.entries[0])
            else:
                key = x509.load_der_x509_certificate(self.entries[0]).public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise HandshakeError(Alert.BAD_CERTIFICATE, "the peer's certificate or key cannot be read") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise HandshakeError(Alert.UNSUPPORTED_CERTIFICATE, "the peer's key is not for ECDSA on P-256")
        return key


class Signer:
    """Our own key with its certificates; the bare public key is shown to peers that prefer that (RFC 7250)."""

    __slots__ = ("_key", "_shown")

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificates: tuple[bytes, ...] = ()) -> None:
        if not isinstance(key.curve, ec.SECP256R1):
            raise HandshakeError(None, "A key for DTLS with connection id must be on P-256")
        self._key = key
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._shown = {CertificateType.RAW_PUBLIC_KEY: Shown(CertificateType.RAW_PUBLIC_KEY, (public,))}
        if certificates:
            self._shown[CertificateType.X509] = Shown(CertificateType.X509, certificates)

    @property
    def kinds(self) -> tuple[CertificateType, ...]:
        """What can be shown."""
        return tuple(self._shown)

    def shown_as(self, kind: CertificateType) -> Shown:
        """What the peer gets to see."""
        return self._shown[kind]

    def sign(self, data: bytes) -> bytes:
        """A signature over data."""
        return self._key.sign(data, _ECDSA)

    def sign_hash(self, digest: bytes) -> bytes:
        """A signature over data of which this is the SHA-256."""
        return self._key.sign(digest, _ECDSA_OF_HASH)

    def __repr__(self) -> str:
        return f"<Signer {', '.join(kind.name for kind in self.kinds)}>"


def check(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
    """Raise HandshakeError unless the owner of the key signed the data."""
    _check(key, signature, data, _ECDSA)


def check_hash(key: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes) -> None:
    """Raise HandshakeError unless the owner of the key signed data of which this is the SHA-256."""
    _check(key, signature, digest, _ECDSA_OF_HASH)


def _check(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes, algorithm: ec.ECDSA) -> None:
    try:
        key.verify(signature, data, algorithm)
    except InvalidSignature as error:
        raise HandshakeError(Alert.DECRYPT_ERROR, "the peer's signature is wrong") from error


class EphemeralKey:
    """One half of a Diffie-Hellman exchange on P-256, used once."""

    __slots__ = ("_key",)

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def point(self) -> bytes:
        """The public half, uncompressed (RFC 8422 §5.4.1)."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def shared(self, point: bytes) -> bytes:
        """The secret that is shared with the owner of the other half, which must be a point on the curve."""
        try:
            other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError as error:
            raise MessageError("the peer's point is not on P-256", Alert.ILLEGAL_PARAMETER) from error
        return self._key.exchange(ec.ECDH(), other)

    def __repr__(self) -> str:
        return "<EphemeralKey>"
