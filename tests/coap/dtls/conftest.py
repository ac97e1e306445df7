"""Credentials as a store would give them, and certificates made on the spot."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls import Granted, OwnCertificate, PeerCertificate, ServerCredential, TrustedPeer


@dataclass
class Store:
    """A credential lookup that tests fill."""

    keys: dict[str, bytes] = field(default_factory=dict)
    peers: dict[str, TrustedPeer] = field(default_factory=dict)
    credential: ServerCredential | None = None

    def pre_shared_key(self, identity: str) -> Granted | None:
        key = self.keys.get(identity)
        return None if key is None else Granted(f"psk:{identity}", key)

    def certificate(self, peer: PeerCertificate) -> Granted | None:
        for name, trusted in self.peers.items():
            if trusted.accepts(peer):
                return Granted(f"x509:{name}")
        return None

    def is_valid(self, identity: str) -> bool:
        return identity.removeprefix("psk:") in self.keys or identity.removeprefix("x509:") in self.peers

    def server(self, host: str, port: int) -> ServerCredential | None:
        return self.credential


@dataclass(frozen=True)
class Issuer:
    """A certificate authority."""

    own: OwnCertificate

    def issue(self, name: str, *, days: int = 1, curve: ec.EllipticCurve | None = None) -> OwnCertificate:
        key = ec.generate_private_key(curve or ec.SECP256R1())
        certificate = _certificate(name, key, self.own.certificate.subject, self.own.private_key, days=days)
        return OwnCertificate(certificate, key)


def _certificate(name: str, key, issuer, issuer_key, *, days=1, authority=False) -> x509.Certificate:  # type: ignore[no-untyped-def]
    now = datetime.datetime.now(datetime.UTC)
    begin = now - datetime.timedelta(days=2)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def new_issuer(name: str) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return Issuer(OwnCertificate(_certificate(name, key, subject, key, authority=True), key))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def issuer() -> Issuer:
    return new_issuer("factory")


@pytest.fixture
def other_issuer() -> Issuer:
    return new_issuer("stranger")
