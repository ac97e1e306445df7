"""The documented assignment of devices to nodes by bootstrap, word for word, with a node that is lost."""

import asyncio
import json
import re
import secrets
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.credentials import CredentialRequest
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.lwm2m.bootstrap import Account, SecurityMode
from lwm2m_ml.server.bootstrap_nodes import BootstrapNodes
from lwm2m_ml_simulator.client.accounts import server_accounts
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.cluster.nats import nats
from lwm2m_ml_simulator.cluster.node import Node, copy_keys, start_node
from lwm2m_ml_simulator.cluster.postgresql import PostgreSql
from tests.cluster.test_killed_node import PATIENCE
from tests.cluster.test_killed_sessions import secure

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
QUICK = CoapSettings(ack_timeout=0.3, minimum_timeout=0.2, max_retransmit=2, handshake_timeout=3.0)


def documented() -> str:
    """What is said of bootstrap."""
    found = re.search(r"\*\*Bootstrap\.\*\*.*?(?=\n## )", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[0]


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", documented(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
async def nodes(database_server: PostgreSql, tmp_path: Path) -> AsyncIterator[dict[str, Node]]:
    """The documented nodes, by name."""
    names = list(json.loads(block("json"))["nodes"])
    assert names == re.findall(r"--node (\w+)\s+--public-uris\s+coaps://\1\.example:5684`", documented())
    with ExitStack() as stack:
        url = database_server.create(f"bootstrap{secrets.token_hex(4)}")
        engine = stack.enter_context(nats(tmp_path / "nats"))
        options = ["--database", url, "--cluster", engine.url, "--dtls-engine", "cid", "--coaps-port", "0"]
        started: dict[str, Node] = {}
        for name in names:
            if started:
                copy_keys(tmp_path / names[0], tmp_path / name)
            started[name] = await asyncio.to_thread(start_node, name, tmp_path / name, options, logs=tmp_path)
            stack.callback(started[name].program.stop)
        yield started


def uri(node: Node) -> str:
    host, port = secure(node)
    return f"coaps://{host}:{port}"


async def configured(nodes: dict[str, Node], folder: Path) -> str:
    """Give the documented configuration, with the addresses that the nodes have here, by the documented command."""
    text = block("json")
    for name, node in nodes.items():
        assert f"coaps://{name}.example:5684" in text
        text = text.replace(f"coaps://{name}.example:5684", uri(node))
    (folder / "nodes.json").write_text(text)
    first = next(iter(nodes.values()))
    program, *words = shlex.split(block("sh"))
    assert program == "lwm2m-ml"
    command = [sys.executable, "-m", "lwm2m_ml", *words, "--server", first.api, "--token", first.token]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder)
    assert await process.wait() == 0
    return next(word for word in words if "*" in word)


def one_for_each(pattern: str, nodes: dict[str, Node]) -> Iterator[tuple[str, str]]:
    """Each node with an endpoint that is assigned to it."""
    rule = BootstrapNodes({name: uri(node) for name, node in nodes.items()})
    for name in nodes:
        candidates = (pattern.replace("*", str(number)) for number in range(100))
        yield name, next(one for one in candidates if rule.of(one, lambda _: True) == name)


async def told(client: Lwm2mClient, node: Node) -> None:
    """Until a device is registered at a node."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await client.registered.wait()
            if [account.server_uri for account, _ in server_accounts(client.tree)] == [uri(node)]:
                return
            await asyncio.sleep(0.1)


@pytest.mark.timeout(4 * PATIENCE)
async def test_each_device_is_told_its_node_and_another_one_when_that_is_lost(
    nodes: dict[str, Node], tmp_path: Path
) -> None:
    first = next(iter(nodes.values()))
    pattern = await configured(nodes, tmp_path)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(AsyncClient(first.api, first.token))
        clients: dict[str, Lwm2mClient] = {}
        for name, endpoint in one_for_each(pattern, nodes):
            issued = await api.add_credential(CredentialRequest(endpoint=endpoint, kind="psk"))
            identity, key = issued.secret["identity"].encode(), bytes.fromhex(issued.secret["key"])
            account = Account(uri(first), security_mode=SecurityMode.PRE_SHARED_KEY, identity=identity, secret=key)
            client = Lwm2mClient(endpoint, account, connection_ids=True, coap_settings=QUICK)
            clients[name] = await stack.enter_async_context(client)
        for name, client in clients.items():
            await told(client, nodes[name])
        *_, lost = nodes
        nodes[lost].program.kill()
        clients[lost].update()
        await told(clients[lost], first)
        await told(clients[first.name], first)
