"""Programs that run beside this one, on ports of the loopback interface, until they are stopped."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lwm2m_ml.errors import Lwm2mMlError, MissingToolError

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class ProgramFailed(Lwm2mMlError):
    """A program ended, or was not ready in time."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that runs."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until it is `ready`; raises `ProgramFailed` with the end of its log."""
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ProgramFailed(f"{self.name} did not start ({self.tail()})")
            time.sleep(0.02)

    def tail(self) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace").strip()[-600:]

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in order; it is killed if that takes too long."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()


def start(
    name: str, command: Sequence[str], log: Path, *, user: str | None = None, environment: dict[str, str] | None = None
) -> Program:
    """Start a program; what it says goes to `log`. As root it can run as another `user`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd="/",
            env={**os.environ, **(environment or {})},
        )
    return Program(name, process, log)


@contextmanager
def running(program: Program) -> Iterator[Program]:
    """The program, stopped at the end."""
    try:
        yield program
    finally:
        program.stop()


def find_program(name: str, package: str, folders: Sequence[Path] = ()) -> str:
    """Where a program is; raises `MissingToolError` that names its Debian package."""
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingToolError(f"{name} is not installed", hint=f"Install it with: apt-get install {package}")
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback interface that nobody has at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody takes TCP connections there."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False
