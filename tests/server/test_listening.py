"""The server opens the ports that its settings name, with datagrams one by one or in batches."""

from pathlib import Path

import pytest
from aiocoap import Code, Message

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store


@pytest.mark.parametrize("batches", [False, True])
async def test_devices_register_whether_datagrams_come_one_by_one_or_in_batches(tmp_path: Path, batches: bool) -> None:
    settings = Settings(data_directory=tmp_path, coap_port=0, coaps=False, insecure=True, coap_batches=batches)
    store, bus = await Store.open(settings.database_url), Bus()
    server = Lwm2mServer(store, bus, Catalogue.shipped(), settings)
    await server.start()
    async with await CoapEndpoint.bind("127.0.0.1", 0) as device:
        query = ("ep=node", "lwm2m=1.1", "lt=60")
        request = Message(code=Code.POST, uri_path=("rd",), uri_query=query, payload=b"</3/0>", content_format=40)
        request.remote = device.remote(*server.coap_address)
        answer = await device.request(request)
    assert answer.code is Code.CREATED
    assert server.registry.get("node").parameters.lifetime == 60
    await server.stop()
    await bus.close()
    await store.close()


async def test_a_server_without_a_way_in_does_not_start(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path, coap_port=0, coaps=False)
    store, bus = await Store.open(settings.database_url), Bus()
    server = Lwm2mServer(store, bus, Catalogue.shipped(), settings)
    with pytest.raises(UsageError, match="No device can come in"):
        await server.start()
    await server.stop()
    await bus.close()
    await store.close()
