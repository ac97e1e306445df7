"""DTLS sessions of real processes that are killed with SIGKILL: devices go on without a handshake."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiocoap.numbers.codes import Code
from sqlalchemy import select

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.credentials import CredentialRequest
from lwm2m_ml.coap.dtls12 import ConnectionIds, node_of
from lwm2m_ml.coap.dtls12.numbers import TLS12_CID
from lwm2m_ml.coap.dtls12.records import CID_AT
from lwm2m_ml.config import Settings
from lwm2m_ml.store import Store, tables
from lwm2m_ml_simulator.cluster.nats import nats
from lwm2m_ml_simulator.cluster.node import Node, copy_keys, start_node
from lwm2m_ml_simulator.cluster.postgresql import PostgreSql
from lwm2m_ml_simulator.cluster.process import free_port
from tests.cluster.oscore_device import Front
from tests.cluster.session_device import SessionDevice, session_device
from tests.cluster.test_killed_node import PATIENCE, until

ONE = ConnectionIds.of("one").node
MANUFACTURER = "/3/0/0"

Start = Callable[[str], Awaitable[Node]]


def secure(node: Node) -> tuple[str, int]:
    """Where a node is reached over DTLS."""
    announced = next(line for line in node.program.log.read_text().splitlines() if line.startswith('{"api"'))
    where = urlsplit(json.loads(announced)["coaps"])
    return str(where.hostname), int(where.port or 0)


async def stored(url: str) -> None:
    """Until there is a session in a database."""
    store = await Store.open_as_it_is(url)

    async def found() -> bool:
        return bool(await store._database.rows(select(tables.dtls_sessions.c.identity)))

    try:
        await until(found, "the session is not stored")
    finally:
        await store.close()


async def goes_on(node: Node, token: str, front: Front, device: SessionDevice) -> None:
    """What was recorded is not heard again; the device is, without a handshake, and is read."""
    recorded, handshakes = list(front.heard), device.handshakes
    async with AsyncClient(node.api, token) as client:
        before = (await client.device("dev")).last_seen
        for datagram in recorded:
            front.say_again(datagram)

        async def updated() -> bool:
            return await device.update() is Code.CHANGED  # 5.03 while the lease of a lost node lasts

        await until(updated, "the device was not served")
        assert (await client.device("dev")).last_seen > before

        async def read() -> bool:
            return [one.value for one in await client.read("dev", MANUFACTURER)] == ["ACME"]

        await until(read, "the device was not read")
    assert device.handshakes == handshakes


@pytest.mark.timeout(4 * PATIENCE)
async def test_a_process_that_is_killed_and_started_again_goes_on(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    options = ["--dtls-engine", "cid", "--coaps-port", str(port)]
    with ExitStack() as stack:
        first = await asyncio.to_thread(start_node, "first", tmp_path / "data", options, logs=tmp_path)
        stack.callback(first.program.stop)
        front = await Front.open(secure(first))
        stack.callback(front.close)
        async with AsyncClient(first.api, first.token) as client:
            issued = await client.add_credential(CredentialRequest(endpoint="dev", kind="psk"))
        async with session_device(front, issued.secret) as device:
            await device.register()
            await stored(Settings(data_directory=tmp_path / "data").database_url)
            first.program.kill()
            again = await asyncio.to_thread(start_node, "again", tmp_path / "data", options, logs=tmp_path)
            stack.callback(again.program.stop)
            await goes_on(again, first.token, front, device)


@pytest.fixture
def url(database_server: PostgreSql) -> str:
    return database_server.create(f"sessions{secrets.token_hex(4)}")


@pytest.fixture
async def nodes(url: str, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    with ExitStack() as stack:
        engine = stack.enter_context(nats(tmp_path / "nats"))
        options = ["--database", url, "--cluster", engine.url, "--dtls-engine", "cid", "--coaps-port", "0"]

        async def start(name: str) -> Node:
            node = await asyncio.to_thread(start_node, name, tmp_path / name, options, logs=tmp_path)
            stack.callback(node.program.stop)
            return node

        one = await start("one")
        copy_keys(tmp_path / "one", tmp_path / "other")
        yield one, await start("other")


@pytest.mark.timeout(4 * PATIENCE)
async def test_a_device_goes_on_at_another_node_that_lives_and_at_one_when_its_own_is_killed(
    nodes: tuple[Node, Node], url: str
) -> None:
    one, other = nodes
    token = one.token
    front = await Front.open(secure(one))
    try:
        async with AsyncClient(one.api, token) as client:
            issued = await client.add_credential(CredentialRequest(endpoint="dev", kind="psk"))
        async with session_device(front, issued.secret) as device:
            await device.register()
            assert {node_of(datagram[CID_AT:]) for datagram in front.heard if datagram[0] == TLS12_CID} == {ONE}
            await stored(url)
            await front.lead_to(secure(other))
            await goes_on(other, token, front, device)
            await front.lead_to(secure(one))
            await goes_on(one, token, front, device)
            one.program.kill()
            await front.lead_to(secure(other))
            await goes_on(other, token, front, device)
    finally:
        front.close()
