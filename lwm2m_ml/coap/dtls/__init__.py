"""CoAP over DTLS 1.2: pre-shared keys and certificates."""

from lwm2m_ml.coap.dtls.certificates import CertificateUsage, PeerCertificate, TrustedPeer
from lwm2m_ml.coap.dtls.credentials import (
    CredentialLookup,
    Granted,
    NoCredentials,
    OwnCertificate,
    OwnKey,
    PreSharedKey,
    ServerCredential,
    TrustedKey,
    WeakCertificate,
)

__all__ = [
    "CertificateUsage",
    "CredentialLookup",
    "Granted",
    "NoCredentials",
    "OwnCertificate",
    "OwnKey",
    "PeerCertificate",
    "PreSharedKey",
    "ServerCredential",
    "TrustedKey",
    "TrustedPeer",
    "WeakCertificate",
]
