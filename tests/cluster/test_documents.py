"""What the documentation says of clusters can be used as it stands."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.errors import MissingToolError
from lwm2m_ml_simulator.cluster.nginx import FAIL_SECONDS, MODULE, PACKAGE
from lwm2m_ml_simulator.cluster.process import LOOPBACK, find_program, free_port, running, start

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
PORT = 5684
NODES = ("10.0.0.11", "10.0.0.12")
ATTEMPTS = 20
PATIENCE = 5.0


@pytest.fixture
def nginx() -> str:
    try:
        program = find_program("nginx", PACKAGE)
    except MissingToolError as error:
        pytest.skip(str(error))
    if not MODULE.exists():
        pytest.skip(f"nginx has no stream module: apt-get install {PACKAGE}")
    return program


def documented() -> str:
    found = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def port() -> int:
    return free_port(socket.SOCK_DGRAM)


def configured(folder: Path, port: int, nodes: dict[str, int]) -> Path:
    """The documented configuration on this machine: other addresses, and nothing else."""
    text = documented().replace(f"listen {PORT} udp", f"listen {LOOPBACK}:{port} udp")
    for address, at in nodes.items():
        assert f"server {address}:{PORT} " in text
        text = text.replace(f"{address}:{PORT}", f"{LOOPBACK}:{at}")
    file = folder / "nginx.conf"
    file.write_text(f"pid {folder}/pid;\nerror_log {folder}/error.log;\n{text}")
    return file


def command(nginx: str, file: Path) -> list[str]:
    return [nginx, "-c", str(file), "-p", str(file.parent), "-e", str(file.parent / "error.log")]


def test_nginx_takes_the_documented_configuration(nginx: str, tmp_path: Path, port: int) -> None:
    file = configured(tmp_path, port, {})
    tested = subprocess.run([*command(nginx, file), "-t"], capture_output=True, text=True, check=False)
    assert "test is successful" in tested.stderr, tested.stderr


@contextmanager
def node() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((LOOPBACK, 0))
        bound.settimeout(0.2)
        yield bound


def served(device: socket.socket, nodes: list[socket.socket]) -> socket.socket | None:
    """Send a datagram of a device, have it answered by whichever node it comes to, and return that node."""
    device.send(b"ping")
    for each in nodes:
        try:
            _, sender = each.recvfrom(100)
        except TimeoutError:
            continue
        each.sendto(b"pong", sender)
        while not (answer := device.recv(100)):
            """Of an error nginx makes an empty datagram."""
        assert answer == b"pong"
        return each
    return None


def soon_served(device: socket.socket, nodes: list[socket.socket]) -> socket.socket:
    for _ in range(ATTEMPTS):
        found = served(device, nodes)
        if found is not None:
            return found
    raise AssertionError("no node was found")


def test_devices_keep_their_node_and_get_another_one_when_it_is_gone(nginx: str, tmp_path: Path, port: int) -> None:
    with ExitStack() as stack:
        nodes = [stack.enter_context(node()) for _ in NODES]
        ports = [each.getsockname()[1] for each in nodes]
        file = configured(tmp_path, port, dict(zip(NODES, ports, strict=True)))
        balancer = start("nginx", [*command(nginx, file), "-g", "daemon off;"], tmp_path / "output.log")
        stack.enter_context(running(balancer))
        balancer.wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip() != "")
        device = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        device.settimeout(PATIENCE)
        device.connect((LOOPBACK, port))
        first = soon_served(device, nodes)
        assert [served(device, nodes) for _ in range(5)] == [first] * 5
        first.close()
        nodes.remove(first)
        assert soon_served(device, nodes) is nodes[0]


def test_a_lonely_device_finds_a_node_within_one_exchange() -> None:
    """Until it tries again, nginx may not have forgotten that the node is gone."""
    defaults = CoapSettings()
    longest_pause = defaults.ack_timeout * defaults.ack_random_factor * 2**defaults.max_retransmit
    assert longest_pause < FAIL_SECONDS
    assert documented().count(f"max_fails=1 fail_timeout={FAIL_SECONDS}s;") == len(NODES)
