"""Where devices come in: every transport that the configuration names, at one CoAP endpoint."""

from collections.abc import Mapping

import structlog

from lwm2m_ml.coap.dtls.credentials import OwnCertificate
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastHandlers
from lwm2m_ml.coap.oscore import OscoreStates
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import UsageError
from lwm2m_ml.server.credentials.index import CredentialIndex

Addresses = Mapping[str, tuple[str, int]]
"""Host and port by URI scheme, plain CoAP first."""

log = structlog.get_logger(__name__)


async def listen(
    settings: Settings, handlers: FastHandlers, credentials: CredentialIndex, own: OwnCertificate, states: OscoreStates
) -> tuple[CoapEndpoint, Addresses]:
    """Open the ports. Raises `PortInUse`, and `UsageError` when the configuration leaves no way in."""
    if not (settings.insecure or settings.coaps or settings.oscore):
        raise UsageError("No device can come in: DTLS, OSCORE and plain CoAP are off", hint="Switch one on")
    if settings.coap_tcp_port is not None and not settings.insecure:
        raise UsageError("CoAP over TCP is plain CoAP", hint="Accept the risk with --insecure, or leave it out")
    coap = CoapEndpoint(fast_handlers=handlers)
    host = settings.coap_host
    addresses: dict[str, tuple[str, int]] = {}
    try:
        if settings.insecure or settings.oscore:
            addresses["coap"] = await coap.listen_udp(host, settings.coap_port)
            coap.use_oscore(credentials, states)
        if settings.insecure:
            log.warning("plain CoAP is on: anyone may register as any endpoint without credentials")
        if settings.coaps:
            addresses["coaps"] = await coap.listen_dtls(host, settings.secure_port, credentials, own)
        if settings.coap_tcp_port is not None:
            addresses["coap+tcp"] = await coap.listen_tcp(host, settings.coap_tcp_port)
    except BaseException:
        await coap.close()
        raise
    return coap, addresses


def uri(scheme: str, address: tuple[str, int]) -> str:
    """The URI of a transport."""
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
