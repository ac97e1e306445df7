"""Starting and stopping."""

import asyncio
import socket
from typing import Any

import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store


async def test_a_port_in_use_is_named(running: Any, start_server: Any) -> None:
    port = running.server.coap_address[1]
    with pytest.raises(Lwm2mMlError, match=str(port)):
        await start_server(port=port)


async def test_stopping_gives_the_port_back_and_twice_is_once(running: Any) -> None:
    host, port = running.server.coap_address
    await running.server.stop()
    await running.server.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, port))


async def test_a_server_that_was_never_started_can_be_stopped(settings: Any) -> None:
    store = await Store.open(settings.database_url)
    await Lwm2mServer(store, Bus(), Catalogue.shipped(), settings).stop()
    await store.close()


async def test_stopping_loses_no_promise_and_no_sign_of_life(running: Any, start_device: Any, settings: Any) -> None:
    devices = [await start_device() for _ in range(8)]
    for number, one in enumerate(devices):
        await one.register(f"dev-{number}")
    await devices[0].update()
    last_seen = running.server.registry.get("dev-0").updated_at
    late = [asyncio.create_task(one.update("lt=999")) for one in devices[1:]]
    await asyncio.sleep(0.002)
    await running.server.stop()
    await running.store.close()
    promised = {
        f"dev-{number}"
        for number, task in enumerate(late, start=1)
        if task.done() and task.result().code is Code.CHANGED
    }
    for task in late:
        task.cancel()
    await asyncio.wait(late)
    store = await Store.open(settings.database_url)
    records = {record.endpoint: record for record in await store.registrations.all()}
    await store.close()
    assert len(records) == 8
    assert records["dev-0"].updated_at == last_seen
    assert {endpoint for endpoint, record in records.items() if record.lifetime == 999} >= promised


async def test_malformed_datagrams_hurt_nobody(running: Any, device: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for junk in (
            b"",
            b"\x00",
            b"\x4f" * 20,
            b"\x48\x02\x00\x01",
            bytes(range(256)) * 5,
            b"\x40\x02\x00\x01\xb2rd\xff",
        ):
            stranger.sendto(junk, running.server.coap_address)
    assert (await device.register()).code is Code.CREATED
