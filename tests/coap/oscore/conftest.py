"""Endpoints that speak OSCORE on free ports, with a resource to read, write and observe."""

from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import pytest
from aiocoap import resource

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.oscore import MemoryStates, OscoreKeyring
from tests.coap.oscore.parties import DEVICE, Listen, Value


def who(request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, f"{request.remote.identity}".encode())


@pytest.fixture
def value() -> Value:
    return Value()


@pytest.fixture
async def listen(value: Value) -> AsyncIterator[Listen]:
    endpoints: list[CoapEndpoint] = []

    async def listen_one(
        lookup: OscoreKeyring, states: MemoryStates | None = None, scheme: str = "udp", **settings: Any
    ) -> CoapEndpoint:
        handlers = FastHandlers()
        handlers.add(aiocoap.GET, "who", who)
        site = resource.Site()
        site.add_resource(["value"], value)
        endpoint = CoapEndpoint(site=site, fast_handlers=handlers, settings=CoapSettings(**settings))
        endpoints.append(endpoint)
        await (endpoint.listen_udp if scheme == "udp" else endpoint.listen_tcp)("127.0.0.1", 0)
        endpoint.use_oscore(lookup, states or MemoryStates())
        return endpoint

    yield listen_one
    for endpoint in reversed(endpoints):
        await endpoint.close()


@pytest.fixture
def known() -> OscoreKeyring:
    """What the server knows."""
    keyring = OscoreKeyring()
    keyring.add(DEVICE)
    return keyring
