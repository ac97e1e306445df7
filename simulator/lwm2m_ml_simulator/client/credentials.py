"""From the accounts of object 0 to keys: what a device shows to its servers, and what it expects of them."""

import ssl
from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lwm2m_ml.coap.dtls import (
    CertificateUsage,
    NoCredentials,
    OwnCertificate,
    OwnKey,
    PreSharedKey,
    ServerCredential,
    TrustedKey,
    TrustedPeer,
)
from lwm2m_ml.coap.tcp.tls import HAS_PSK, TlsSettings
from lwm2m_ml.lwm2m.bootstrap import SecurityMode
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.errors import InvalidAccount
from lwm2m_ml_simulator.objects.security import Security

MODES = frozenset({SecurityMode.PRE_SHARED_KEY, SecurityMode.RAW_PUBLIC_KEY, SecurityMode.CERTIFICATE})
"""What this device can do beside no security at all."""


class AccountCredentials(NoCredentials):
    """Finds the credential for a server among the accounts; nobody else gets a session with the device."""

    def __init__(self, accounts: Callable[[], Iterable[Security]]) -> None:
        self._accounts = accounts

    def server(self, host: str, port: int) -> ServerCredential | None:
        """Return how to connect to a server; one host and port have one account."""
        for account in self._accounts():
            uri = ServerUri.parse(account.server_uri)
            if (uri.host, uri.port) == (host, port) and account.mode in MODES:
                return credential(account)
        return None


def credential(account: Security) -> ServerCredential:
    """Return the keys of an account; raises InvalidAccount."""
    if account.mode is SecurityMode.PRE_SHARED_KEY:
        try:
            return ServerCredential(PreSharedKey(account.identity.decode(), account.secret))
        except UnicodeDecodeError as error:
            raise InvalidAccount(f"the PSK identity for {account.server_uri} is not UTF-8") from error
    if account.mode is SecurityMode.RAW_PUBLIC_KEY:
        own_key = _private_key(account)
        if not isinstance(own_key, ec.EllipticCurvePrivateKey):
            raise InvalidAccount(f"the private key for {account.server_uri} is not for ECDSA")
        return ServerCredential(OwnKey(own_key), TrustedKey(account.server_key), account.server_name)
    usage = account.certificate_usage
    expected = TrustedPeer(
        _certificate(account.server_key),
        CertificateUsage.DOMAIN_ISSUED_CERTIFICATE if usage is None else CertificateUsage(usage),
    )
    return ServerCredential(_own_certificate(account), expected, account.server_name)


def _own_certificate(account: Security) -> OwnCertificate:
    return OwnCertificate(_certificate(account.identity), _private_key(account))


def _private_key(account: Security) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    try:
        key = serialization.load_der_private_key(account.secret, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidAccount(f"the private key for {account.server_uri} is not in DER") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise InvalidAccount(f"the private key for {account.server_uri} is neither for ECDSA nor for RSA")
    return key


def _certificate(data: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise InvalidAccount("a certificate of an account is not in DER") from error


def tls_settings(account: Security) -> TlsSettings:
    """Return the TLS contexts of an account; raises InvalidAccount for what TLS cannot do here."""
    if account.mode is SecurityMode.RAW_PUBLIC_KEY:
        raise InvalidAccount(f"{account.server_uri} needs a certificate", hint="Raw public keys go with coaps://")
    if account.mode is SecurityMode.PRE_SHARED_KEY and not HAS_PSK:
        raise InvalidAccount(
            f"{account.server_uri} needs TLS with pre-shared keys, which only Python 3.13 and newer can speak",
            hint="Use coaps:// with this key, or a certificate",
        )
    credential(account)  # what is wrong with the account is told now, not by a failing connection
    # Nobody connects to a device; a context without a certificate ends every attempt.
    return TlsSettings(AccountCredentials(lambda: (account,)), server=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
