"""A device over DTLS with connection ids behind a front, which keeps what it has said."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiocoap
from aiocoap.numbers.codes import Code

from lwm2m_ml.coap.dtls import NoCredentials, PreSharedKey, ServerCredential
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml_simulator.cluster.process import LOOPBACK
from tests.cluster.oscore_device import OBJECTS, TEXT, Front
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
class SessionDevice:
    """Registers, updates, and answers everything with its manufacturer."""

    endpoint: CoapEndpoint
    front: Front
    site: ScriptedSite
    location: tuple[str, ...] = ()
    codes: list[Code] = field(default_factory=list)

    async def register(self) -> None:
        response = await self._post(["rd"], ["lt=300", "lwm2m=1.1", "b=U"], OBJECTS, 40)
        assert response.code is Code.CREATED
        self.location = tuple(response.opt.location_path)

    async def update(self) -> Code:
        return (await self._post(self.location, [], b"", None)).code

    @property
    def handshakes(self) -> int:
        """Records of handshakes that it has sent."""
        return len([datagram for datagram in self.front.heard if datagram[0] == HANDSHAKE])

    async def _post(self, path: Any, query: Any, payload: bytes, content_format: int | None) -> aiocoap.Message:
        asked = aiocoap.Message(code=Code.POST, payload=payload, uri_path=tuple(path), uri_query=tuple(query))
        asked.opt.content_format = content_format
        asked.remote = await self.endpoint.connect("coaps", *self.front.address)
        return await self.endpoint.request(asked, timeout=30)


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
