"""A node of the service: `lwm2m-ml serve` in a process of its own, as an operator would start it."""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lwm2m_ml_simulator.cluster.process import Program, start


@dataclass(frozen=True, slots=True)
class Node:
    """A node that runs, where it is reached, and the admin token that the first node of a cluster prints."""

    name: str
    program: Program
    api: str
    coap: tuple[str, int]
    token: str


def copy_keys(one: Path, other: Path) -> None:
    """Give a node the keys of another: nodes seal secrets and sign modules with the same ones."""
    shutil.copytree(one, other)


def start_node(name: str, folder: Path, options: list[str], *, logs: Path) -> Node:
    """Start a node on free ports of the loopback interface; raises `ProgramFailed`."""
    command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--insecure", "--data-directory", str(folder)]
    command += ["--node", name, "--coap-port", "0", "--api-port", "0", "--log-format", "json", *options]
    program = start(name, command, logs / f"{name}.log")
    try:
        program.wait_until(lambda: _announced(program.log) is not None)
    except BaseException:
        program.kill()
        raise
    said = _announced(program.log) or {}
    where = urlsplit(said["coap"])
    return Node(name, program, said["api"], (str(where.hostname), int(where.port or 0)), said["token"] or "")


def _announced(log: Path) -> dict[str, str] | None:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith('{"api"'):
            found: dict[str, str] = json.loads(line)
            return found
    return None
