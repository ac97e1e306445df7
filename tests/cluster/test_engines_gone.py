"""PostgreSQL and NATS end under a real node and come back: it says so, promises nothing meanwhile, loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.errors import Lwm2mMlError, MissingToolError
from lwm2m_ml.store import Store
from lwm2m_ml_simulator.cluster.nats import nats
from lwm2m_ml_simulator.cluster.node import Node, start_node
from lwm2m_ml_simulator.cluster.postgresql import PostgreSql, postgresql
from lwm2m_ml_simulator.cluster.process import LOOPBACK, Program, free_port
from tests.lost_connections import LOST_CONNECTIONS

pytestmark = LOST_CONNECTIONS

PATIENCE = 120.0


@dataclass
class Site:
    """A node, and the engines under it."""

    node: Node
    database: PostgreSql
    nats: Program

    @property
    def log(self) -> str:
        return self.node.program.log.read_text(errors="replace")


@pytest.fixture
def port() -> int:
    """Where NATS is, each time that it is started."""
    return free_port()


@pytest.fixture
async def site(tmp_path: Path, port: int) -> AsyncIterator[Site]:
    with ExitStack() as stack:
        try:
            database = stack.enter_context(postgresql())
            engine = stack.enter_context(nats(tmp_path / "nats", port=port))
        except MissingToolError as error:
            pytest.skip(str(error))
        options = ["--database", database.url(), "--cluster", engine.url]
        node = await asyncio.to_thread(start_node, "node", tmp_path / "data", options, logs=tmp_path)
        stack.callback(node.program.stop)
        yield Site(node, database, engine.program)


@dataclass
class Devices:
    """Devices that come in one after the other; `promised` were told that they are registered."""

    endpoint: CoapEndpoint
    node: Node
    promised: list[str]
    number: int = 0

    async def register(self) -> Code:
        self.number += 1
        name = f"dev-{self.number}"
        message = aiocoap.Message(code=Code.POST, uri_path=("rd",), payload=b"</1/0>,</3/0>")
        message.opt.uri_query = (f"ep={name}", "lt=3000", "lwm2m=1.1", "b=U")
        message.opt.content_format = 40
        message.remote = self.endpoint.remote(*self.node.coap)
        code = (await self.endpoint.request(message, timeout=30)).code
        if code is Code.CREATED:
            self.promised.append(name)
        return Code(code)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(int(PATIENCE / 0.2)):
        with suppress(Lwm2mMlError):
            if await condition():
                return
        await asyncio.sleep(0.2)
    raise AssertionError(what)


@pytest.mark.timeout(4 * PATIENCE)
async def test_a_node_outlives_its_database_and_nats(site: Site, tmp_path: Path, port: int) -> None:
    with ExitStack() as later:
        await outlives(site, lambda: later.enter_context(nats(tmp_path / "nats", port=port)))


async def outlives(site: Site, start_nats: Callable[[], object]) -> None:
    async with AsyncClient(site.node.api, site.node.token) as client, await CoapEndpoint.bind(LOOPBACK, 0) as endpoint:
        devices = Devices(endpoint, site.node, [])

        async def is_ok() -> bool:
            health = await client.health()
            return (health.status, health.problems) == ("ok", [])

        async def registers() -> bool:
            return await devices.register() is Code.CREATED

        async def is_put_off() -> bool:
            return await devices.register() is Code.SERVICE_UNAVAILABLE

        async def problem() -> str:
            health = await client.health()
            return health.status + "".join(health.problems)

        for _ in range(20):
            assert await registers()
        assert await is_ok()

        under_way = asyncio.gather(*(devices.register() for _ in range(50)))
        await asyncio.to_thread(site.database.crash)
        assert set(await under_way) <= {Code.CREATED, Code.SERVICE_UNAVAILABLE}
        await until(is_put_off, "nobody was put off without a database")
        assert (await problem()).startswith("degradedThe database takes no writes")
        with pytest.raises(Lwm2mMlError):
            await client.tag_device(devices.promised[0], add=["north"])
        assert "the database takes no writes" in site.log
        await asyncio.to_thread(site.database.start)
        await until(is_ok, "the node did not find out by itself that the database is back")
        await until(registers, "nobody is registered though the database is back")
        assert "the database takes writes again" in site.log

        site.nats.kill()

        async def says_nats() -> bool:
            return (await problem()).startswith("degradedNATS does not answer")

        await until(says_nats, "the node did not say that NATS is gone")
        assert await is_put_off()
        assert "the connection to NATS has ended" in site.log
        await asyncio.to_thread(start_nats)
        await until(is_ok, "the node did not find out by itself that NATS is back")
        await until(registers, "nobody is registered though NATS is back")
        assert "the connection to NATS is back" in site.log

        assert set(devices.promised) <= {device.endpoint for device in await client.devices()}
        site.node.program.kill()
        store = await Store.open(site.database.url())
        assert set(devices.promised) <= {record.endpoint for record in await store.registrations.all()}
        await store.close()
