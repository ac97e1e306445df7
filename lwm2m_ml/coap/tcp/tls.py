"""TLS under CoAP (RFC 8323 §9): contexts of both roles, and who the peer of a connection is.

The standard library verifies chains by itself and keeps to itself who showed which pre-shared key; what it leaves
out is in here. Pre-shared keys need Python 3.13.
"""

from __future__ import annotations

import ssl
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lwm2m_ml.coap.dtls.certificates import PeerCertificate, TrustedPeer
from lwm2m_ml.coap.dtls.credentials import Granted, OwnCertificate, OwnKey, PreSharedKey, ServerCredential
from lwm2m_ml.coap.errors import HandshakeFailed

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls.credentials import CredentialLookup

logger = structlog.get_logger(__name__)

HAS_PSK = bool(getattr(ssl, "HAS_PSK", False))
SUITES = (
    "PSK-AES128-CCM8:PSK-AES128-CCM:PSK-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "@SECLEVEL=0"
)
"""Level 0 is for CCM_8 alone; keys are checked here."""
NOTHING = b""
MOST_RESUMABLE = 20_000
"""As many as OpenSSL itself remembers."""


class WatchedHandshake(ssl.SSLObject):
    """A connection that knows which identity its peer used, and says why a handshake failed."""

    granted: Granted | None = None
    failure = ""

    def do_handshake(self) -> None:
        """Go on with the handshake; callbacks of the context belong to this connection meanwhile."""
        context = self.context
        if not isinstance(context, WatchedContext):
            super().do_handshake()
            return
        context.under_way = self
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._log(error)
            raise
        finally:
            context.under_way = None

    def _log(self, error: ssl.SSLError) -> None:
        identity = None if self.granted is None else self.granted.identity
        log = logger.warning if self.failure else logger.info
        log("A TLS handshake failed", identity=identity, reason=self.failure or error.reason)


class WatchedContext(ssl.SSLContext):
    """A context whose connections are watched, one handshake step at a time."""

    sslobject_class = WatchedHandshake
    under_way: WatchedHandshake | None = None


class TlsSettings:
    """TLS contexts of both roles, and who the owner of a key or certificate is."""

    __slots__ = ("_clients", "_credentials", "_granted", "client", "server")

    def __init__(
        self,
        credentials: CredentialLookup,
        *,
        server: ssl.SSLContext | None = None,
        client: ssl.SSLContext | None = None,
    ) -> None:
        """Use contexts made elsewhere; a `client` context is then used for every server."""
        self._credentials = credentials
        self._clients: dict[tuple[str, int], tuple[ServerCredential, ssl.SSLContext]] = {}
        self._granted: dict[bytes, Granted] = {}
        self.server = server
        self.client = client

    @classmethod
    def of(
        cls,
        credentials: CredentialLookup,
        own: OwnCertificate | None = None,
        *,
        named: Mapping[str, OwnCertificate] | None = None,
        authorities: Sequence[x509.Certificate] = (),
    ) -> TlsSettings:
        """Contexts for what the lookup knows.

        Peers show a certificate that leads to one of `authorities` (or is one of them), or a pre-shared key where
        Python can. Who asks for a server name in `named` gets that certificate (SNI), everybody else `own`.
        """
        if own is None and not HAS_PSK:
            raise HandshakeFailed(_no_psk(), hint="Give the server a certificate, or use Python 3.13")
        settings = cls(credentials)
        by_name = {name.lower(): settings._server_context(other, authorities) for name, other in (named or {}).items()}
        settings.server = settings._server_context(own, authorities)
        if by_name:
            settings.server.sni_callback = _chooser(by_name)
        return settings

    def _server_context(self, own: OwnCertificate | None, authorities: Sequence[x509.Certificate]) -> WatchedContext:
        context = _context(ssl.PROTOCOL_TLS_SERVER)
        if own is not None:
            own.check()
            load_certificate(context, own)
        if authorities:
            context.verify_mode = ssl.CERT_OPTIONAL
            pem = [authority.public_bytes(serialization.Encoding.PEM).decode() for authority in authorities]
            context.load_verify_locations(cadata="".join(pem))
        if HAS_PSK:
            set_callback: Any = context.set_psk_server_callback  # type: ignore[attr-defined,unused-ignore]
            set_callback(lambda identity: self._find_key(context, identity), "lwm2m-ml")
        return context

    def _find_key(self, context: WatchedContext, identity: str | None) -> bytes:
        connection = context.under_way
        if connection is None or identity is None:
            return NOTHING
        connection.granted = self._credentials.pre_shared_key(identity)
        if connection.granted is None:
            connection.failure = f"the PSK identity {identity!r} is not known"
            return NOTHING
        connection.failure = f"the key of {connection.granted.identity} is another one"
        return connection.granted.key

    # As a client

    def client_for(self, host: str, port: int) -> tuple[ssl.SSLContext, ServerCredential | None]:
        """The context to connect to a server with, and what the server must then show."""
        if self.client is not None:
            return self.client, None
        credential = self._credentials.server(host, port)
        if credential is None:
            raise HandshakeFailed(f"There is no credential for {host}:{port}", hint="Add one to the credential store")
        known = self._clients.get((host, port))
        if known is None or known[0] != credential:
            known = (credential, _client_context(credential))
            self._clients[host, port] = known
        return known[1], credential

    # Both

    def identity(self, transport: Any, credential: ServerCredential | None = None) -> str | None:
        """The identity of the peer of an established TLS connection; None refuses it."""
        connection = transport.get_extra_info("ssl_object")
        shown = peer_certificate(connection)
        if credential is not None:
            return _server_identity(credential, shown)
        if connection.server_side is False:
            return "server" if shown is not None and shown.has_strong_key else None
        granted: Granted | None = getattr(connection, "granted", None)
        if shown is None:
            granted = self._resumable(connection, granted)
        else:
            granted = self._credentials.certificate(shown) if shown.has_strong_key else None
            if granted is None:
                logger.warning("A certificate is not accepted over TLS", subject=shown.common_name)
        return None if granted is None else granted.identity

    def _resumable(self, connection: ssl.SSLObject, granted: Granted | None) -> Granted | None:
        """A resumed session shows no identity again; its id tells whose it is."""
        name = b"" if connection.session is None else connection.session.id
        if connection.session_reused:
            known = self._granted.get(name)
            return known if known is not None and self._credentials.is_valid(known.identity) else None
        if granted is not None and name:
            if len(self._granted) >= MOST_RESUMABLE:
                del self._granted[next(iter(self._granted))]
            self._granted[name] = granted
        return granted


def _server_identity(credential: ServerCredential, shown: PeerCertificate | None) -> str | None:
    if isinstance(credential.secret, PreSharedKey):
        return credential.secret.identity
    if shown is None or not isinstance(credential.server, TrustedPeer) or not credential.server.accepts(shown):
        return None
    return shown.common_name or "server"


def _client_context(credential: ServerCredential) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    # The server is judged after the handshake by the usage of the certificate that we know (object 0, resource 15).
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secret = credential.secret
    if isinstance(secret, OwnCertificate):
        secret.check()
        load_certificate(context, secret)
    elif isinstance(secret, OwnKey):
        raise HandshakeFailed("TLS over TCP takes no raw public keys", hint="Use a certificate")
    elif HAS_PSK:
        identity, key = secret.identity, secret.key
        set_callback: Any = context.set_psk_client_callback  # type: ignore[attr-defined,unused-ignore]
        set_callback(lambda _hint: (identity, key))
    else:
        raise HandshakeFailed(_no_psk(), hint="Use a certificate, coaps:// over UDP, or Python 3.13")
    return context


def _context(protocol: int) -> WatchedContext:
    context = WatchedContext(protocol)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.set_ciphers(SUITES)
    return context


def _chooser(by_name: Mapping[str, WatchedContext]) -> Any:
    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        chosen = by_name.get((name or "").lower())
        if chosen is not None:
            connection.context = chosen

    return choose


def peer_certificate(connection: Any) -> PeerCertificate | None:
    """What the peer showed; certificates on the way to its issuer are known from Python 3.13 on."""
    shown = connection.getpeercert(binary_form=True)
    if not shown:
        return None
    rest = connection.get_unverified_chain()[1:] if sys.version_info >= (3, 13) else []
    chain = tuple(x509.load_der_x509_certificate(other) for other in rest)
    return PeerCertificate(x509.load_der_x509_certificate(shown), chain)


def load_certificate(context: ssl.SSLContext, own: OwnCertificate) -> None:
    """Hand certificate and key over in a file that exists for a moment: the standard library takes no other form."""
    key = own.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in (own.certificate, *own.chain)]
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
        path = Path(directory) / "own.pem"
        path.touch(mode=0o600)
        path.write_bytes(key + b"".join(chain))
        context.load_cert_chain(path)


def _no_psk() -> str:
    return f"Python {sys.version_info.major}.{sys.version_info.minor} cannot speak TLS with pre-shared keys"
