"""Servers and load generators as processes: started, asked, measured, ended."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent.parent))

import compiled  # noqa: E402

from tests.interop import leshan_libraries  # noqa: E402  # Leshan is fetched as the tests with it do

SOURCES = HERE.parent / "coap"
LIBCOAP = ("coap-server-notls", "coap-server", "coap-server-openssl", "coap-server-gnutls")
REGISTRAR = HERE / "Registrar.java"
PATIENCE = 15.0
SESSIONS = 1_000
"""Devices with a key of their own, for the loads over DTLS."""


@dataclass
class Server:
    """A server process under load."""

    kind: str
    port: int
    process: subprocess.Popen[str]
    log: TextIO
    facts: dict[str, Any] = field(default_factory=dict)

    def order(self, name: str, seconds: float = 0.0) -> dict[str, Any]:
        """Ask one of our Python servers to do something and wait until it has."""
        self.process.stdin.write(json.dumps([name, seconds]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def complaints(self) -> str:
        """The last warnings and errors in the server's log."""
        self.log.seek(0)
        return "".join([line for line in self.log if "[info" not in line][-10:])

    def cpu_seconds(self) -> float:
        """User and system time of all threads so far; unlike requests per second it bears a busy machine."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Memory in use."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def libcoap() -> str | None:
    """The example server of libcoap, where it is installed."""
    return next(filter(None, map(shutil.which, LIBCOAP)), None)


@contextlib.contextmanager
def running(kind: str) -> Iterator[Server]:
    """A server of a kind: `stock`, `leshan`, `libcoap`, `libcoap-openssl`, or with options `ours` and `cid`.

    `cid` is ours with `dtls_engine = "cid"`; options are told like `ours uvloop`. `compiled` is the compiled build.
    """
    port = free_port()
    options = kind.split()[1:]
    commands = {
        "libcoap": [libcoap(), "-A", "127.0.0.1", "-p", str(port), "-v", "0"],
        "stock": [sys.executable, str(HERE / "stock.py"), str(port)],
        "ours": [sys.executable, str(HERE / "whole.py"), str(port), *options],
        "cid": [sys.executable, str(HERE / "whole.py"), str(port), "cid", *options],
        "libcoap-openssl": ["coap-server-openssl", "-A", "127.0.0.1", "-p", str(port), "-v", "0", "-k", "none"],
    }
    name = kind.split(maxsplit=1)[0]
    if name == "leshan":
        commands[name] = ["java", "-cp", leshan_libraries.classpath([REGISTRAR]), REGISTRAR.stem, str(port)]
    with tempfile.TemporaryFile("w+") as log, tempfile.NamedTemporaryFile("w") as keys:
        if name == "libcoap-openssl":
            keys.writelines(f"lwm2m,device-{number},the-key-of-device-{number}\n" for number in range(SESSIONS))
            keys.flush()
            commands[name] += ["-h", "lwm2m", "-i", keys.name]
        environment = os.environ | ({"PYTHONPATH": str(compiled.directory())} if "compiled" in options else {})
        process = subprocess.Popen(
            commands[name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        server = Server(kind, port, process, log)
        try:
            if name.startswith("libcoap"):
                wait_for(port)
                server.facts = {"secure_port": port + 1, "hello": "time"}
            else:
                line = process.stdout.readline()
                if not line:
                    raise SystemExit(f"The server {kind!r} did not start: {server.complaints()}")
                server.facts = json.loads(line)
            yield server
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Ask for the root until something answers, whatever it is."""
    deadline = time.monotonic() + PATIENCE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        while time.monotonic() < deadline:
            message_id = int(time.monotonic() * 1000) & 0xFFFF
            probe.sendto(b"\x40\x01" + message_id.to_bytes(2, "big"), ("127.0.0.1", port))
            with contextlib.suppress(OSError):
                if probe.recv(100):
                    return
    raise SystemExit(f"No server answers on port {port}")


def compile_load(name: str, directory: Path, *libraries: str) -> Path | None:
    """Build a load generator from its source with zig; None when a library is missing."""
    program = directory / name
    command = [sys.executable, "-m", "ziglang", "cc", "-O2", "-o", program, SOURCES / f"{name}.c", *libraries]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode and not libraries:
        raise SystemExit(done.stderr)
    return program if done.returncode == 0 else None


def last_line(output: str) -> dict[str, Any]:
    """The JSON document that a load generator ends with."""
    return json.loads(output.strip().rsplit("\n", 1)[-1])
