"""Where devices come in: every transport that the configuration names, at one CoAP endpoint."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from lwm2m_ml.coap.dtls.credentials import OwnCertificate
from lwm2m_ml.coap.dtls12.connection_ids import ConnectionIds
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastHandlers
from lwm2m_ml.coap.oscore import OscoreStates
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.coap.tcp.tls import TlsSettings
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import UsageError
from lwm2m_ml.server.credentials.credential import Credential, CredentialKind
from lwm2m_ml.server.credentials.index import CredentialIndex
from lwm2m_ml.server.dtls_sessions import StoredDtlsSessions

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls_cid.stored import StoredSessions

Addresses = Mapping[str, tuple[str, int]]
"""Host and port by URI scheme, plain CoAP first."""

CID_HANDSHAKES_PER_SECOND = 10_000.0
"""They cost less than those of OpenSSL, for which the usual limit is made."""

log = structlog.get_logger(__name__)


def public_addresses(uris: str) -> Addresses:
    """Where devices find the server that is behind something else; raises `UsageError` for what is no CoAP URI."""
    found = {}
    for uri in uris.split():
        parts = urlsplit(uri)
        if not parts.scheme.startswith("coap") or not parts.hostname or not parts.port:
            raise UsageError(f"{uri!r} is no address for devices", hint="Give one like coaps://devices.example:5684")
        found[parts.scheme] = parts.hostname, parts.port
    return found


@dataclass(frozen=True, slots=True)
class Listening:
    """The endpoint, where it listens, and what it has for TLS."""

    coap: CoapEndpoint
    addresses: Addresses
    tls: TlsSettings | None
    sessions: StoredSessions | None = None
    """Where DTLS sessions outlive addresses, processes and nodes, if that is switched on."""

    def trust(self, credential: Credential) -> None:
        """Let TLS ask for a certificate that this credential is about; who its owner is, the lookup judges.

        OpenSSL must be able to build a chain before anybody is asked; DTLS leaves even that to the lookup.
        """
        if self.tls is None or self.tls.server is None or credential.kind is not CredentialKind.CERTIFICATE:
            return
        context = self.tls.server
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=credential.facts["certificate"] + credential.facts["authorities"])


async def listen(
    settings: Settings,
    handlers: FastHandlers,
    credentials: CredentialIndex,
    own: OwnCertificate,
    *,
    states: OscoreStates,
    sessions: StoredDtlsSessions,
    shared: bool,
) -> Listening:
    """Open the ports. Raises `PortInUse`, and `UsageError` when the configuration leaves no way in.

    `shared` says whether there are other nodes, which may go on with our sessions.
    """
    if not (settings.insecure or settings.coaps or settings.oscore or settings.coaps_tcp_port is not None):
        raise UsageError("No device can come in: DTLS, TLS, OSCORE and plain CoAP are off", hint="Switch one on")
    if settings.coap_tcp_port is not None and not settings.insecure:
        raise UsageError("CoAP over TCP is plain CoAP", hint="Accept the risk with --insecure, or leave it out")
    coap = CoapEndpoint(fast_handlers=handlers, settings=_coap_settings(settings))
    host = settings.coap_host
    addresses: dict[str, tuple[str, int]] = {}
    tls: TlsSettings | None = None
    kept: StoredSessions | None = None
    try:
        if settings.insecure or settings.oscore:
            addresses["coap"] = await coap.listen_udp(host, settings.coap_port)
            coap.use_oscore(credentials, states)
        if settings.insecure:
            log.warning("plain CoAP is on: anyone may register as any endpoint without credentials")
        if settings.coaps and settings.dtls_engine == "cid":
            holder_of = sessions.holder_of if shared else None
            ids = ConnectionIds.of(settings.node or socket.gethostname()) if shared else None
            transport = await coap.listen_dtls_cid(
                host, settings.secure_port, credentials, own, states=sessions, holder_of=holder_of, ids=ids
            )
            kept, addresses["coaps"] = transport.stored, transport.local_address
        elif settings.coaps:
            addresses["coaps"] = await coap.listen_dtls(host, settings.secure_port, credentials, own)
        if settings.coap_tcp_port is not None:
            addresses["coap+tcp"] = await coap.listen_tcp(host, settings.coap_tcp_port)
        if settings.coaps_tcp_port is not None:
            tls = TlsSettings.of(credentials, own)
            addresses["coaps+tcp"] = await coap.listen_tls(host, settings.coaps_tcp_port, tls)
    except BaseException:
        await coap.close()
        raise
    return Listening(coap, addresses, tls, kept)


def _coap_settings(settings: Settings) -> CoapSettings:
    if settings.dtls_engine == "cid":
        return CoapSettings(batches=settings.coap_batches, handshakes_per_second=CID_HANDSHAKES_PER_SECOND)
    return CoapSettings(batches=settings.coap_batches)


def uri(scheme: str, address: tuple[str, int]) -> str:
    """The URI of a transport."""
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
