"""Nodes in network namespaces, parted from NATS by taking a link down: the parted one acts for nothing any more.

All addresses are in namespaces that the test makes and removes. The database is outside of the partition on purpose:
what a former owner writes has to be refused by its token, not by a network that happens to be down.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lwm2m_ml.errors import MissingToolError
from lwm2m_ml_simulator.cluster.nats import CONFIGURATION
from lwm2m_ml_simulator.cluster.process import Program, find_program, running, start

PATIENCE = 90.0
PORT = 4222
NODES = {"a": "10.199.1", "b": "10.199.2"}

NODE = '''
import asyncio, json, sys, time
from lwm2m_ml.bus import Bus, NotOwner
from lwm2m_ml.cluster.cluster import Cluster, ClusterSettings
from lwm2m_ml.cluster.connection import check_exposure
from lwm2m_ml.logs import configure_logging

class Tokens:
    """The highest token that anybody stored, in a file that both nodes reach."""
    def __init__(self, path):
        self.path = path
    def highest(self):
        try:
            return json.loads(open(self.path).read() or "0")
        except FileNotFoundError:
            return 0
    async def take(self, name, token, node):
        if token <= self.highest():
            return False
        with open(self.path, "w") as file:
            file.write(json.dumps(token))
        return True

class Writer:
    on_written = None
    def guard(self, fence):
        pass

class Store:
    writer = Writer()

async def main(url, tokens, name):
    import lwm2m_ml.cluster.connection as connection
    connection.is_loopback = lambda host: True  # these addresses are in namespaces of this machine
    store = Store()
    store.ownerships = Tokens(tokens)
    cluster = await Cluster.join(ClusterSettings(url, node=sys.argv[4], lease_seconds=10.0), store, Bus())
    loop = asyncio.get_running_loop()
    while True:
        command = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
        if not command:
            break
        said = ""
        if command == "claim":
            try:
                await asyncio.wait_for(asyncio.shield(cluster.ownership.claim(name)), 8)
            except (NotOwner, TimeoutError) as error:
                said = type(error).__name__
        token = cluster.ownership.token(name)
        # A write goes through when it comes with the highest token, as the database has it.
        written = token is not None and token == store.ownerships.highest()
        print(json.dumps({"has": cluster.ownership.has(name), "written": written, "said": said}), flush=True)

configure_logging(level="error")
asyncio.run(main(*sys.argv[1:4]))
'''


class Node:
    """A process in a namespace that does what it is told, line by line."""

    def __init__(self, namespace: str, arguments: list[str]) -> None:
        command = ["ip", "netns", "exec", namespace, sys.executable, "-c", NODE, *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command: str) -> dict[str, object]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        answer: dict[str, object] = json.loads(self._process.stdout.readline())
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def namespaces() -> Iterator[tuple[str, dict[str, str]]]:
    """One for NATS and one for each node, each node on a link of its own; the names of all."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    tag = secrets.token_hex(3)
    hub, nodes = f"hub{tag}", {name: f"{name}{tag}" for name in NODES}
    made: list[str] = []
    try:
        for namespace in (hub, *nodes.values()):
            made_it = subprocess.run(["ip", "netns", "add", namespace], capture_output=True, text=True, check=False)
            if made_it.returncode:
                pytest.skip(f"network namespaces cannot be made: {made_it.stderr.strip()}")
            made.append(namespace)
        for name, namespace in nodes.items():
            prefix, inner, outer = NODES[name], f"i{name}{tag}", f"o{name}{tag}"
            _ip("link", "add", inner, "netns", namespace, "type", "veth", "peer", "name", outer, "netns", hub)
            for where, device, host in ((namespace, inner, 2), (hub, outer, 1)):
                _ip("-n", where, "addr", "add", f"{prefix}.{host}/24", "dev", device)
                _ip("-n", where, "link", "set", device, "up")
                _ip("-n", where, "link", "set", "lo", "up")
        yield hub, nodes
    except FileNotFoundError:
        pytest.skip("there is no `ip`: install iproute2")
    finally:
        for namespace in made:
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def test_of_parted_nodes_one_acts_and_the_others_writes_are_refused(
    namespaces: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    hub, nodes = namespaces
    tag = hub.removeprefix("hub")
    tokens = tmp_path / "tokens"
    with ExitStack() as stack:
        stack.enter_context(running(_nats(hub, tmp_path)))
        parted, other = (_node(stack, name, nodes[name], tokens) for name in NODES)
        assert parted.ask("claim") == {"has": True, "written": True, "said": ""}
        assert other.ask("look") == {"has": False, "written": False, "said": ""}

        _ip("-n", hub, "link", "set", f"oa{tag}", "down")
        _until(lambda: other.ask("claim")["has"] is True)
        assert parted.ask("look") == {"has": False, "written": False, "said": ""}
        assert other.ask("look") == {"has": True, "written": True, "said": ""}
        assert parted.ask("claim")["has"] is False

        _ip("-n", hub, "link", "set", f"oa{tag}", "up")
        assert parted.ask("look")["written"] is False
        assert other.ask("look") == {"has": True, "written": True, "said": ""}
        _until(lambda: parted.ask("claim")["has"] is True)  # the one that works is asked, and lets go
        assert other.ask("look") == {"has": False, "written": False, "said": ""}
        assert parted.ask("look")["written"] is True


def _nats(hub: str, folder: Path) -> Program:
    try:
        server = find_program("nats-server", "nats-server")
    except MissingToolError as error:
        pytest.skip(str(error))
    configuration = folder / "nats.conf"
    configuration.write_text(CONFIGURATION.format(host="0.0.0.0", port=PORT, folder=folder))  # noqa: S104 - in there
    log = folder / "nats.log"
    program = start("NATS", ["ip", "netns", "exec", hub, server, "--config", str(configuration)], log)
    program.wait_until(lambda: "Server is ready" in log.read_text(errors="replace"))
    return program


def _node(stack: ExitStack, name: str, namespace: str, tokens: Path) -> Node:
    node = Node(namespace, [f"nats://{NODES[name]}.1:{PORT}", str(tokens), "urn:dev:parted", name])
    stack.callback(node.stop)
    return node


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.3)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
