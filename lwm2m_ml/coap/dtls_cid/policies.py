"""From the credentials of an endpoint to what `dtls12` needs to know for a handshake."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lwm2m_ml.coap.dtls.certificates import PeerCertificate, TrustedPeer
from lwm2m_ml.coap.dtls.credentials import (
    CredentialLookup,
    Granted,
    OwnCertificate,
    OwnKey,
    PreSharedKey,
    ServerCredential,
    TrustedKey,
    WeakCertificate,
)
from lwm2m_ml.coap.dtls12 import CertificateType, ClientPolicy, ServerPolicy, Shown, Signer

_RAW = (CertificateType.RAW_PUBLIC_KEY,)


def server_policy(
    lookup: CredentialLookup,
    own: OwnCertificate | OwnKey | None,
    named: Mapping[str, OwnCertificate],
    new_cid: Callable[[], bytes],
) -> ServerPolicy:
    """What the server's side of an endpoint offers. Raises WeakCertificate for a key that is not on P-256."""
    default = None if own is None else _signer(own)
    signers = {name.lower(): _signer(certificate) for name, certificate in named.items()}

    def judge(shown: Shown) -> Granted | None:
        if shown.kind is CertificateType.RAW_PUBLIC_KEY:
            return lookup.raw_public_key(shown.entries[0])
        peer = _certificate(shown)
        return None if peer is None else lookup.certificate(peer)

    return ServerPolicy(lookup.pre_shared_key, judge, lambda name: signers.get(name, default), new_cid)


def client_policy(credential: ServerCredential) -> ClientPolicy:
    """What the client's side shows to a server, and what it expects. Raises WeakCertificate."""
    secret = credential.secret
    if isinstance(secret, PreSharedKey):
        return ClientPolicy(secret.identity.encode(), secret.key, server_name=credential.server_name)
    expected = credential.server

    def judge(shown: Shown) -> bool:
        if isinstance(expected, TrustedKey):
            return shown.kind is CertificateType.RAW_PUBLIC_KEY and shown.entries[0] == expected.public_key
        peer = _certificate(shown) if shown.kind is CertificateType.X509 else None
        return isinstance(expected, TrustedPeer) and peer is not None and expected.accepts(peer)

    raw = isinstance(secret, OwnKey)
    return ClientPolicy(
        signer=_signer(secret),
        client_types=_RAW if raw else (CertificateType.X509,),
        server_types=_RAW if isinstance(expected, TrustedKey) else (CertificateType.X509,),
        judge=judge,
        server_name=credential.server_name,
    )


def name_of(credential: ServerCredential) -> str:
    """What the layers above call the server of a credential."""
    return credential.secret.identity if isinstance(credential.secret, PreSharedKey) else "server"


def _signer(own: OwnCertificate | OwnKey) -> Signer:
    key = own.private_key
    shown: tuple[x509.Certificate, ...] = ()
    whose = "the raw public key"
    if isinstance(own, OwnCertificate):
        own.check()
        shown, whose = (own.certificate, *own.chain), repr(own)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise WeakCertificate(
            f"The key of {whose} is not on P-256",
            hint="DTLS with connection ids needs ECDSA with P-256; or choose dtls_engine = 'openssl'",
        )
    return Signer(key, tuple(one.public_bytes(serialization.Encoding.DER) for one in shown))


def _certificate(shown: Shown) -> PeerCertificate | None:
    """The certificates; None when one of them cannot be read."""
    try:
        first, *others = [x509.load_der_x509_certificate(entry) for entry in shown.entries]
    except ValueError:
        return None
    return PeerCertificate(first, tuple(others))
