"""Real nodes, one of them killed with SIGKILL: the other one serves its devices, and nothing is done twice."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.credentials import CredentialRequest
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.jobs import INTERRUPTED
from lwm2m_ml_simulator.cluster.nats import Nats, nats
from lwm2m_ml_simulator.cluster.node import Node, copy_keys, start_node
from lwm2m_ml_simulator.cluster.postgresql import PostgreSql
from tests.cluster.oscore_device import Front, OscoreDevice, oscore_device
from tests.lost_connections import LOST_CONNECTIONS
from tests.server.conftest import message

pytestmark = LOST_CONNECTIONS

PATIENCE = 120.0
REBOOT, MANUFACTURER, BATTERY = "/3/0/4", "/3/0/0", "/3/0/9"
TEXT = 0


@pytest.fixture
async def nodes(database_server: PostgreSql, nats_server: Nats, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Of a NATS of their own: the lease that they have by default is not that of other tests."""
    with ExitStack() as stack:
        url = database_server.create(f"killed{secrets.token_hex(4)}")
        engine = stack.enter_context(nats(tmp_path / "nats"))
        options = ["--database", url, "--cluster", engine.url, "--oscore"]

        async def start(name: str) -> Node:
            node = await asyncio.to_thread(start_node, name, tmp_path / name, options, logs=tmp_path)
            stack.callback(node.program.stop)
            return node

        one = await start("one")
        copy_keys(tmp_path / "one", tmp_path / "other")
        yield one, await start("other")


@pytest.fixture
async def front(nodes: tuple[Node, Node]) -> AsyncIterator[Front]:
    front = await Front.open(nodes[0].coap)
    yield front
    front.close()


@asynccontextmanager
async def clients(nodes: tuple[Node, Node]) -> AsyncIterator[tuple[AsyncClient, AsyncClient]]:
    one, other = nodes
    async with AsyncClient(one.api, one.token) as at_one, AsyncClient(other.api, one.token) as at_other:
        yield at_one, at_other


@asynccontextmanager
async def device_of(client: AsyncClient, front: Front) -> AsyncIterator[OscoreDevice]:
    issued = await client.add_credential(CredentialRequest(endpoint="dev", kind="oscore"))
    async with oscore_device(front, issued.secret) as device:
        yield device


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Lwm2mMlError):
                if await condition():
                    return
            await asyncio.sleep(0.2)
    raise AssertionError(what)


@pytest.mark.timeout(4 * PATIENCE)
async def test_a_device_with_oscore_is_served_by_the_other_node_and_nothing_is_done_twice(
    nodes: tuple[Node, Node], front: Front
) -> None:
    one, other = nodes
    async with clients(nodes) as (at_one, at_other), device_of(at_one, front) as device:
        await device.register()
        assert await device.update() is Code.CHANGED
        known = len(front.heard)

        async def read_through_the_other() -> bool:
            return [one.value for one in await at_other.read("dev", MANUFACTURER)] == ["ACME"]

        await until(read_through_the_other, "the device was not read through the other node")
        number = (await at_one.queue("dev", "execute", paths=[REBOOT])).number

        async def executed() -> bool:
            return device.executed == 1

        await until(executed, "the Execute did not reach the device")
        job = await at_one.compile_variant("digits", "digits-small", "cortex-m4f")
        one.program.kill()
        await front.lead_to(other.coap)

        async def job_failed() -> bool:
            found = await at_other.job(job.id)
            return (found.state, found.error) == ("failed", INTERRUPTED)

        await until(job_failed, "the job of the killed node has not failed")
        heard = (await at_other.device("dev")).last_seen
        for datagram in front.heard[:known]:  # somebody who listened says it again: nobody else has the device by now
            front.say_again(datagram)
        await asyncio.sleep(1.0)
        assert (await at_other.device("dev")).last_seen == heard, "a repetition was believed"

        async def served() -> bool:
            return await device.update() is Code.CHANGED

        await until(served, "the other node did not serve the device")
        assert (await at_other.device("dev")).last_seen > heard
        assert await read_through_the_other()

        async def known_to_be_unknown() -> bool:
            return (await at_other.request(number)).state == "unknown"

        await until(known_to_be_unknown, "the Execute is not unknown")
        assert device.executed == 1, "an Execute without an answer was repeated"


@pytest.mark.timeout(4 * PATIENCE)
async def test_values_are_watched_through_the_other_node_until_the_one_that_serves_the_device_is_killed(
    nodes: tuple[Node, Node], front: Front
) -> None:
    async with clients(nodes) as (at_one, at_other), device_of(at_one, front) as device:
        device.site.script = let_observe
        await device.register()

        async def known() -> bool:
            return (await at_other.device("dev")).endpoint == "dev"

        await until(known, "the other node does not know the device")
        values = at_other.observe("dev", BATTERY)
        assert [found.value for found in await anext(values)] == [20]
        for level in (19, 18):
            news = message(Code.CONTENT, b"%d" % level, TEXT)
            news.opt.observe = 30 - level
            device.site.pipes[-1].add_response(news, is_last=False)
            assert [found.value for found in await anext(values)] == [level]
        nodes[0].program.kill()
        async with asyncio.timeout(PATIENCE):
            assert [found async for found in values] == []


async def let_observe(request: aiocoap.Message) -> aiocoap.Message:
    answer = message(Code.CONTENT, b"20", TEXT)
    answer.opt.observe = 1 if request.opt.observe == 0 else None
    return answer
