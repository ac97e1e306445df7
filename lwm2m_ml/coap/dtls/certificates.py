"""Which certificates of a peer are good enough: the four usages of LwM2M (object 0, resource 15)."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import crypto

SMALLEST_CURVE_BITS = 256
SMALLEST_RSA_BITS = 2048
STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def has_strong_key(certificate: x509.Certificate) -> bool:
    """Whether the key is of a kind and size that we accept; OpenSSL's own level is off because of CCM_8."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.key_size >= SMALLEST_CURVE_BITS
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA_BITS


def is_strong(certificate: x509.Certificate) -> bool:
    """Whether key and signature are both such that nobody can forge them today."""
    return has_strong_key(certificate) and isinstance(certificate.signature_hash_algorithm, STRONG_HASHES)


class CertificateUsage(enum.IntEnum):
    """How a known certificate restricts what the peer may show (RFC 6698 §2.1.1)."""

    CA_CONSTRAINT = 0
    SERVICE_CERTIFICATE_CONSTRAINT = 1
    TRUST_ANCHOR_ASSERTION = 2
    DOMAIN_ISSUED_CERTIFICATE = 3


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What a peer showed: its certificate, and others that lead to its issuer."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def common_name(self) -> str:
        """The common name of the subject; empty when there is none."""
        found = self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(found[0].value) if found else ""

    @property
    def has_strong_key(self) -> bool:
        """Whether the key is of a kind and size that we accept."""
        return has_strong_key(self.certificate)

    def is_for_host(self, host: str) -> bool:
        """Whether a subject alternative name, or without any the common name, is this host."""
        try:
            names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return self.common_name == host
        try:
            return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
        except ValueError:
            return host.lower() in {name.lower() for name in names.get_values_for_type(x509.DNSName)}

    def leads_to(self, anchors: Sequence[x509.Certificate]) -> bool:
        """Whether the certificate is valid now and signed, through its chain, by one of the anchors.

        Weak keys and weak signatures on the way count as none; an anchor is trusted for itself, not for who signed it.
        """
        if not is_strong(self.certificate):
            return False
        store = crypto.X509Store()
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        for anchor in filter(has_strong_key, anchors):
            store.add_cert(crypto.X509.from_cryptography(anchor))
        chain = [crypto.X509.from_cryptography(other) for other in self.chain if is_strong(other)]
        subject = crypto.X509.from_cryptography(self.certificate)
        try:
            crypto.X509StoreContext(store, subject, chain).verify_certificate()
        except crypto.X509StoreContextError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class TrustedPeer:
    """The known certificate, its usage, and for the constraining usages the authorities that count."""

    certificate: x509.Certificate
    usage: CertificateUsage = CertificateUsage.DOMAIN_ISSUED_CERTIFICATE
    authorities: tuple[x509.Certificate, ...] = ()
    host: str = ""
    """The name the peer must have; empty: any."""

    def accepts(self, peer: PeerCertificate) -> bool:
        """Whether the peer is the one meant."""
        if not peer.has_strong_key:
            return False
        if self.usage is CertificateUsage.DOMAIN_ISSUED_CERTIFICATE:
            return peer.certificate == self.certificate
        if self.host and not peer.is_for_host(self.host):
            return False
        if self.usage is CertificateUsage.TRUST_ANCHOR_ASSERTION:
            return peer.leads_to([self.certificate])
        if self.usage is CertificateUsage.SERVICE_CERTIFICATE_CONSTRAINT:
            return peer.certificate == self.certificate and peer.leads_to(self.authorities)
        return peer.leads_to([self.certificate]) and peer.leads_to([*self.authorities, self.certificate])
