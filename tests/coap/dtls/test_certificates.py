"""Which certificates count: kinds and sizes of keys, the four usages, chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls import CertificateUsage, OwnCertificate, PeerCertificate, TrustedPeer, WeakCertificate
from lwm2m_ml.coap.dtls.certificates import is_strong

if TYPE_CHECKING:
    from tests.coap.conftest import Issuer

ANCHOR = CertificateUsage.TRUST_ANCHOR_ASSERTION
WEAK = ec.SECP224R1()


def test_a_certificate_of_the_anchor_is_accepted_and_of_another_is_not(issuer: Issuer, other_issuer: Issuer) -> None:
    trusted = TrustedPeer(issuer.own.certificate, ANCHOR)
    assert trusted.accepts(PeerCertificate(issuer.issue("device").certificate))
    assert not trusted.accepts(PeerCertificate(other_issuer.issue("device").certificate))


def test_a_certificate_that_has_expired_is_refused(issuer: Issuer) -> None:
    trusted = TrustedPeer(issuer.own.certificate, ANCHOR)
    assert not trusted.accepts(PeerCertificate(issuer.issue("device", days=-1).certificate))


@pytest.mark.parametrize("usage", list(CertificateUsage), ids=lambda usage: usage.name.lower())
def test_a_weak_key_is_refused_whatever_the_usage(issuer: Issuer, usage: CertificateUsage) -> None:
    weak = issuer.issue("device", curve=WEAK)
    assert not is_strong(weak.certificate)
    trusted = TrustedPeer(weak.certificate, usage, (issuer.own.certificate, weak.certificate))
    assert not trusted.accepts(PeerCertificate(weak.certificate))


def test_a_weak_anchor_vouches_for_nobody(issuer: Issuer) -> None:
    weak = issuer.issue("authority", curve=WEAK)
    signed = type(issuer)(weak).issue("device")
    assert not TrustedPeer(weak.certificate, ANCHOR).accepts(PeerCertificate(signed.certificate))


def test_another_host_is_refused(issuer: Issuer) -> None:
    peer = PeerCertificate(issuer.issue("server.example").certificate)
    assert TrustedPeer(issuer.own.certificate, ANCHOR, host="server.example").accepts(peer)
    assert TrustedPeer(issuer.own.certificate, ANCHOR, host="127.0.0.1").accepts(peer)
    assert not TrustedPeer(issuer.own.certificate, ANCHOR, host="other.example").accepts(peer)


def test_a_weak_certificate_of_our_own_is_named(issuer: Issuer) -> None:
    own = issuer.issue("server", curve=WEAK)
    with pytest.raises(WeakCertificate, match="server"):
        OwnCertificate(own.certificate, own.private_key).check()
