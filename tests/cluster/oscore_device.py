"""A device that speaks OSCORE to whichever node a balancer leads to, which tests tell."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiocoap
from aiocoap.numbers.codes import Code

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.oscore import MemoryStates, OscoreCredential, OscoreKeyring
from lwm2m_ml_simulator.cluster.process import LOOPBACK
from tests.server.conftest import ScriptedSite, message

OBJECTS = b'</>;rt="oma.lwm2m";ct="112 110",</1/0>,</3/0>'
TEXT = 0


class Front(asyncio.DatagramProtocol):
    """A balancer that is told which node is the device's; it keeps what the device has said."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.device: Any = None
        self.outside: Any = None
        self._node: Any = None

    @classmethod
    async def open(cls, node: tuple[str, int]) -> "Front":
        front = cls()
        loop = asyncio.get_running_loop()
        front.outside, _ = await loop.create_datagram_endpoint(lambda: front, local_addr=(LOOPBACK, 0))
        await front.lead_to(node)
        return front

    async def lead_to(self, node: tuple[str, int]) -> None:
        old, loop = self._node, asyncio.get_running_loop()
        self._node, _ = await loop.create_datagram_endpoint(lambda: Inside(self), remote_addr=node)
        if old is not None:
            old.close()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.outside.get_extra_info("sockname")
        return host, port

    def say_again(self, datagram: bytes) -> None:
        self._node.sendto(datagram)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.device = addr
        self.heard.append(data)
        self._node.sendto(data)

    def close(self) -> None:
        self.outside.close()
        self._node.close()


class Inside(asyncio.DatagramProtocol):
    """The side of the nodes."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._front.outside.sendto(data, self._front.device)


@dataclass
class OscoreDevice:
    """A device that speaks OSCORE to the front, answers reads, and never answers an Execute."""

    endpoint: CoapEndpoint
    front: Front
    site: ScriptedSite
    location: tuple[str, ...] = ()
    scheme: str = "coap"

    async def register(self) -> None:
        query = ["lt=300", "lwm2m=1.1", "b=U"]
        response = await self._post(["rd"], query, OBJECTS, 40)
        assert response.code is Code.CREATED
        self.location = tuple(response.opt.location_path)

    async def update(self) -> Code:
        return (await self._post(self.location, [], b"", None)).code

    @property
    def executed(self) -> int:
        return len([request for request in self.site.requests if request.code is Code.POST])

    async def _post(self, path: Any, query: Any, payload: bytes, content_format: int | None) -> aiocoap.Message:
        asked = aiocoap.Message(code=Code.POST, payload=payload, uri_path=tuple(path), uri_query=tuple(query))
        asked.opt.content_format = content_format
        asked.remote = await self.endpoint.connect(self.scheme, *self.front.address)
        return await self.endpoint.request(asked, timeout=10)


async def behave(request: aiocoap.Message) -> aiocoap.Message | None:
    return None if request.code is Code.POST else message(Code.CONTENT, b"ACME", TEXT)


def context(secret: Mapping[str, str]) -> OscoreCredential:
    """The device's side of what the service issued."""
    parts = {name: bytes.fromhex(value) for name, value in secret.items()}
    return OscoreCredential(
        "server",
        parts["master_secret"],
        parts["sender_id"],
        parts["recipient_id"],
        parts.get("id_context"),
        parts["master_salt"],
    )


@asynccontextmanager
async def oscore_device(front: Front, secret: Mapping[str, str]) -> AsyncIterator[OscoreDevice]:
    """A device with a context that the service issued."""
    site = ScriptedSite()
    site.script = behave
    async with await CoapEndpoint.bind(LOOPBACK, 0, site=site) as endpoint:
        keyring = OscoreKeyring()
        keyring.add(context(secret), server=front.address)
        endpoint.use_oscore(keyring, MemoryStates())
        yield OscoreDevice(endpoint, front, site)
