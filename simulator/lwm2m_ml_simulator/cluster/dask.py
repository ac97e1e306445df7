"""A Dask scheduler and its workers, on this machine."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lwm2m_ml.errors import MissingExtraError
from lwm2m_ml.exposure import Certificates
from lwm2m_ml_simulator.cluster.process import LOOPBACK, Program, answers, free_port, running, start

ENVIRONMENT = {"DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "0"}


@dataclass(frozen=True, slots=True)
class Farm:
    """A scheduler that is reached at `address`, and the workers that were started with it."""

    address: str
    workers: tuple[Program, ...]


@contextmanager
def compile_farm(workers: int, logs: Path, certificates: Certificates | None = None) -> Iterator[Farm]:
    """Start a scheduler and workers on free ports and stop them at the end, over TLS if there are certificates.

    Raises `MissingExtraError`.
    """
    if importlib.util.find_spec("distributed") is None:
        raise MissingExtraError("Dask", "cluster")
    port = free_port()
    scheme, tls = ("tcp", []) if certificates is None else ("tls", _options(certificates))
    host, address = f"{scheme}://{LOOPBACK}", f"{scheme}://{LOOPBACK}:{port}"
    scheduler = ["scheduler", "--host", host, "--port", str(port), "--no-dashboard", *tls]
    worker = ["worker", address, "--no-nanny", "--nthreads", "1", "--host", host, "--no-dashboard", *tls]
    with ExitStack() as stack:
        program = stack.enter_context(running(_start("scheduler", scheduler, logs)))
        program.wait_until(lambda: answers(port))
        started = [stack.enter_context(running(_start(f"worker-{number}", worker, logs))) for number in range(workers)]
        yield Farm(address, tuple(started))


def _options(certificates: Certificates) -> list[str]:
    return [
        "--tls-ca-file",
        certificates.authority,
        "--tls-cert",
        certificates.certificate,
        "--tls-key",
        certificates.private_key,
    ]


def _start(name: str, arguments: list[str], logs: Path) -> Program:
    return start(name, [sys.executable, "-m", "dask", *arguments], logs / f"{name}.log", environment=ENVIRONMENT)
