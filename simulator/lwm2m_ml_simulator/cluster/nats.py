"""A NATS server with JetStream, on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lwm2m_ml_simulator.cluster.process import LOOPBACK, Program, find_program, free_port, running, start

CONFIGURATION = """
listen: "{host}:{port}"
max_payload: 8MB
jetstream {{ store_dir: "{folder}" }}
"""


@dataclass(frozen=True, slots=True)
class Nats:
    """A server that is reached at `url`."""

    url: str
    program: Program


@contextmanager
def nats(folder: Path, *, port: int | None = None, host: str = LOOPBACK) -> Iterator[Nats]:
    """Start a server on a free port, or on this one, and stop it at the end; what it keeps stays in `folder`.

    Raises `MissingToolError`.
    """
    server = find_program("nats-server", "nats-server")
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nats.conf"
    configuration.write_text(CONFIGURATION.format(host=host, port=port, folder=folder))
    with running(start("NATS", [server, "--config", str(configuration)], folder / "nats.log")) as program:
        program.wait_until(lambda: "Server is ready" in program.log.read_text(errors="replace"))
        yield Nats(f"nats://{host}:{port}", program)
