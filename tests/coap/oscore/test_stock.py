"""OSCORE against stock aiocoap in both roles."""

import asyncio
import importlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiocoap
import aiocoap.credentials
import pytest
from aiocoap import resource

from lwm2m_ml.coap.oscore import MemoryStates, OscoreKeyring
from lwm2m_ml.coap.oscore.remote import OscoreRemote
from tests.coap.oscore.parties import BODY, DEVICE, SECRET, WAIT, Listen, Value, message, reaching


@pytest.fixture
def stock_oscore() -> Any:
    """aiocoap's implementation, which needs packages that aiocoap itself does not ask for."""
    for needed in ("filelock", "lakers"):
        pytest.importorskip(needed, reason=f"stock OSCORE needs {needed}")
    return importlib.import_module("aiocoap.oscore")


def stock_context(stock_oscore: Any, path: Path, sender: bytes, recipient: bytes) -> Any:
    path.mkdir()
    settings = {
        "sender-id_hex": sender.hex(),
        "recipient-id_hex": recipient.hex(),
        "secret_hex": SECRET.hex(),
        "salt_hex": b"salt".hex(),
    }
    (path / "settings.json").write_text(json.dumps(settings))
    return stock_oscore.FilesystemSecurityContext(str(path))


@pytest.fixture
async def stock_server(
    stock_oscore: Any, value: Value, tmp_path: Path, unused_port: int
) -> AsyncIterator[tuple[str, int]]:
    wrapper = importlib.import_module("aiocoap.oscore_sitewrapper").OscoreSiteWrapper
    credentials = aiocoap.credentials.CredentialsMap()
    credentials[":d1"] = stock_context(stock_oscore, tmp_path / "server", b"server", b"d1")
    site = resource.Site()
    site.add_resource(["value"], value)
    context = await aiocoap.Context.create_server_context(
        wrapper(site, credentials), bind=("127.0.0.1", unused_port), transports=["udp6"]
    )
    yield "127.0.0.1", unused_port
    await context.shutdown()


@pytest.fixture
async def stock_client(stock_oscore: Any, tmp_path: Path) -> AsyncIterator[aiocoap.Context]:
    context = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"])
    context.client_credentials["coap://127.0.0.1*"] = stock_context(stock_oscore, tmp_path / "client", b"d1", b"server")
    yield context
    await context.shutdown()


async def test_a_stock_server_understands_us(listen: Listen, stock_server: tuple[str, int], value: Value) -> None:
    device = await listen(reaching(stock_server))
    assert (await device.request(message(aiocoap.PUT, stock_server, "value", BODY))).code == aiocoap.CHANGED
    assert (await device.request(message(aiocoap.GET, stock_server, "value"))).payload == BODY
    remote = await device.connect("coap", *stock_server)
    assert isinstance(remote, OscoreRemote)


async def test_observing_a_stock_server(listen: Listen, stock_server: tuple[str, int], value: Value) -> None:
    device = await listen(reaching(stock_server))
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    observation = await device.observe(
        message(aiocoap.GET, stock_server, "value"), lambda response: heard.put_nowait(response.payload)
    )
    assert observation.active
    for text in (b"2", b"3"):
        value.change(text)
        assert await asyncio.wait_for(heard.get(), WAIT) == text
    await observation.cancel()


async def test_a_stock_client_is_understood(
    listen: Listen, known: OscoreKeyring, stock_client: aiocoap.Context
) -> None:
    server = await listen(known)
    assert (await stock_client.request(message(aiocoap.GET, server, "who")).response).payload == b"device-1"
    put = stock_client.request(message(aiocoap.PUT, server, "value", BODY))
    assert (await put.response).code == aiocoap.CHANGED
    assert (await stock_client.request(message(aiocoap.GET, server, "value")).response).payload == BODY


async def test_a_stock_client_answers_the_echo_after_a_crash(
    listen: Listen, known: OscoreKeyring, stock_client: aiocoap.Context
) -> None:
    states = MemoryStates()
    await states.take_replay_state(DEVICE.context_name)
    server = await listen(known, states)
    assert (await stock_client.request(message(aiocoap.GET, server, "who")).response).payload == b"device-1"


async def test_a_stock_client_observes(
    listen: Listen, known: OscoreKeyring, stock_client: aiocoap.Context, value: Value
) -> None:
    server = await listen(known)
    get = message(aiocoap.GET, server, "value")
    get.opt.observe = 0
    request = stock_client.request(get)
    assert (await request.response).payload == b"1"
    notifications = aiter(request.observation)
    for text in (b"2", b"3"):
        value.change(text)
        assert (await asyncio.wait_for(anext(notifications), WAIT)).payload == text
    request.observation.cancel()
