"""A NATS server with JetStream, on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lwm2m_ml.exposure import Certificates
from lwm2m_ml_simulator.cluster.process import LOOPBACK, Program, find_program, free_port, running, start

CONFIGURATION = """
listen: "{host}:{port}"
max_payload: 8MB
jetstream {{ store_dir: "{folder}" }}
"""
OVER_TLS = """
tls {{ ca_file: "{ca}", cert_file: "{cert}", key_file: "{key}", verify: true }}
"""


@dataclass(frozen=True, slots=True)
class Nats:
    """A server that is reached at `url`."""

    url: str
    program: Program


@contextmanager
def nats(
    folder: Path, *, port: int | None = None, certificates: Certificates | None = None, more: str = ""
) -> Iterator[Nats]:
    """Start a server on a free port, or on this one, and stop it at the end; what it keeps stays in `folder`.

    With `certificates` it takes nobody without TLS and a client certificate of that authority. `more` is added to its
    configuration. Raises `MissingToolError`.
    """
    server = find_program("nats-server", "nats-server")
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nats.conf"
    text = CONFIGURATION.format(host=LOOPBACK, port=port, folder=folder) + more
    if certificates is not None:
        ca, cert, key = certificates.authority, certificates.certificate, certificates.private_key
        text += OVER_TLS.format(ca=ca, cert=cert, key=key)
    configuration.write_text(text)
    with running(start("NATS", [server, "--config", str(configuration)], folder / "nats.log")) as program:
        program.wait_until(lambda: "Server is ready" in program.log.read_text(errors="replace"))
        yield Nats(f"{'nats' if certificates is None else 'tls'}://{LOOPBACK}:{port}", program)
