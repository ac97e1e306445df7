"""A device over DTLS with connection ids behind a front, which keeps what it has said."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiocoap
from aiocoap.numbers.codes import Code

from lwm2m_ml.coap.dtls import NoCredentials, PreSharedKey, ServerCredential
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml_simulator.cluster.process import LOOPBACK
from tests.cluster.oscore_device import TEXT, Front, OscoreDevice
from tests.server.conftest import ScriptedSite, message

HANDSHAKE = 22
QUICK = CoapSettings(ack_timeout=0.5, minimum_timeout=0.3)


@dataclass
class OneServer(NoCredentials):
    """Connects to any server with one key."""

    secret: Mapping[str, str]

    def server(self, host: str, port: int) -> ServerCredential | None:
        return ServerCredential(PreSharedKey(self.secret["identity"], bytes.fromhex(self.secret["key"])))


@dataclass
class SessionDevice(OscoreDevice):
    """The same over DTLS; it answers everything with its manufacturer."""

    scheme: str = "coaps"

    @property
    def handshakes(self) -> int:
        """Records of handshakes that it has sent."""
        return len([datagram for datagram in self.front.heard if datagram[0] == HANDSHAKE])


async def behave(_request: aiocoap.Message) -> aiocoap.Message:
    return message(Code.CONTENT, b"ACME", TEXT)


@asynccontextmanager
async def session_device(front: Front, secret: Mapping[str, str]) -> AsyncIterator[SessionDevice]:
    """A device with a key that the service issued."""
    site = ScriptedSite()
    site.script = behave
    endpoint = CoapEndpoint(site=site, settings=QUICK)
    await endpoint.listen_dtls_cid(LOOPBACK, 0, OneServer(secret))
    async with endpoint:
        yield SessionDevice(endpoint, front, site)
