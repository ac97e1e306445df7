"""NATS and PostgreSQL, started once for all tests of clusters."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from lwm2m_ml.bus import Bus
from lwm2m_ml.cluster.cluster import Cluster, ClusterSettings
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import MissingToolError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.store import Store, migrate
from lwm2m_ml_simulator.cluster.nats import Nats, nats
from lwm2m_ml_simulator.cluster.postgresql import PostgreSql, postgresql
from tests.server.conftest import LIMITS, Events, ScriptedDevice, ScriptedSite


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    try:
        with nats(tmp_path_factory.mktemp("nats")) as found:
            yield found
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def database_server() -> Iterator[PostgreSql]:
    try:
        with postgresql(durable=False) as found:
            yield found
    except MissingToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def database_url(database_server: PostgreSql) -> str:
    """A database of the module's own: what tests leave in one is not what nodes of others have to read."""
    url = database_server.create(f"cluster{secrets.token_hex(4)}")
    with ThreadPoolExecutor(1) as thread:  # here a loop may be running already
        thread.submit(asyncio.run, migrate.upgrade(url)).result()
    return url


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    found = await Store.open(database_url), await Store.open(database_url)
    yield found
    for store in found:
        await store.close()


SECRET = "what the nodes of a cluster share"
LEASE_SECONDS = 10.0
"""Long enough for a machine that does other things for a few seconds."""


@dataclass
class Node:
    """A server of a cluster, in this process."""

    server: Lwm2mServer
    cluster: Cluster
    store: Store
    bus: Bus
    events: Events


@asynccontextmanager
async def node_at(nats_url: str, store: Store, directory: Path, name: str, *, lease: float) -> AsyncIterator[Node]:
    """A node while the block runs."""
    bus = Bus()
    where = ClusterSettings(nats_url, node=name, lease_seconds=lease)
    cluster = await Cluster.join(where, store, bus, secrets_digest="same")
    settings = Settings(
        data_directory=directory, coap_port=0, coaps=False, insecure=True, oscore=True, secret=SecretStr(SECRET)
    )
    server = Lwm2mServer(store, bus, Catalogue.shipped(), settings, limits=LIMITS, ownership=cluster.ownership)
    await cluster.attach(server)
    await server.start()
    try:
        yield Node(server, cluster, store, bus, Events(bus))
    finally:
        await server.stop()
        await cluster.leave()
        await bus.close()


@pytest.fixture
async def pair(nats_server: Nats, stores: tuple[Store, Store], tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes of one cluster."""
    one, other = stores
    async with (
        node_at(nats_server.url, one, tmp_path, "one", lease=LEASE_SECONDS) as first,
        node_at(nats_server.url, other, tmp_path, "other", lease=LEASE_SECONDS) as second,
    ):
        yield first, second


StartDevice = Callable[[Node], Awaitable[ScriptedDevice]]


@pytest.fixture
async def device_at() -> AsyncIterator[StartDevice]:
    """Devices that speak to a node; `device.server` is the node that they speak to next."""
    async with AsyncExitStack() as stack:

        async def start(node: Node) -> ScriptedDevice:
            site = ScriptedSite()
            fast = CoapSettings(ack_timeout=0.2, minimum_timeout=0.1)
            endpoint = await CoapEndpoint.bind("127.0.0.1", 0, site=site, settings=fast)
            stack.push_async_callback(endpoint.close)
            return ScriptedDevice(endpoint, site, node.server)

        yield start
