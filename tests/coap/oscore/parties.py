"""Server and device of one OSCORE context, what they offer and what they say."""

import asyncio
from collections.abc import Awaitable, Callable

import aiocoap
from aiocoap import resource

from lwm2m_ml.coap import CoapEndpoint, Remote
from lwm2m_ml.coap.oscore import OscoreCredential, OscoreKeyring

SECRET = bytes(range(16))
BODY = bytes(range(256)) * 20
WAIT = 5.0
DEVICE = OscoreCredential("device-1", SECRET, sender_id=b"server", recipient_id=b"d1", master_salt=b"salt")
"""The context as the server has it."""
SERVER = OscoreCredential("server", SECRET, sender_id=b"d1", recipient_id=b"server", master_salt=b"salt")
"""The same as the device has it."""

Listen = Callable[..., Awaitable[CoapEndpoint]]


class Value(resource.ObservableResource):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.value = b"1"
        self.seen: list[tuple[str, ...]] = []
        self.abandoned = asyncio.Event()

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        self.seen.append(tuple(request.remote.authenticated_claims))
        return aiocoap.Message(payload=self.value)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.value = request.payload
        return aiocoap.Message()

    def update_observation_count(self, newcount: int) -> None:
        if newcount == 0:
            self.abandoned.set()

    def change(self, value: bytes) -> None:
        self.value = value
        self.updated_state()


def reaching(server: CoapEndpoint | tuple[str, int], credential: OscoreCredential = SERVER) -> OscoreKeyring:
    """What a device knows."""
    keyring = OscoreKeyring()
    keyring.add(credential, server=server.local_address if isinstance(server, CoapEndpoint) else server)
    return keyring


def message(
    code: aiocoap.Code, to: CoapEndpoint | tuple[str, int], path: str, payload: bytes = b"", scheme: str = "coap"
) -> aiocoap.Message:
    host, port = to.local_address if isinstance(to, CoapEndpoint) else to
    return aiocoap.Message(code=code, uri=f"{scheme}://{host}:{port}/{path}", payload=payload)


def ask(remote: Remote, path: str) -> aiocoap.Message:
    question = aiocoap.Message(code=aiocoap.GET, uri_path=path.split("/"))
    question.remote = remote
    return question
