"""The server and the herd as processes."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from census import FILE as CENSUS_FILE

START_SECONDS = 120.0
CENSUS_SECONDS = 120.0
HERE = Path(__file__).parent


class Server:
    """`lwm2m-ml serve` on data and ports that stay the same, however often it is killed."""

    def __init__(self, directory: Path, *, counting: bool = False) -> None:
        """`counting` lets it tell what its memory holds."""
        self.directory = directory
        self._program = [str(HERE / "census.py")] if counting else ["-m", "lwm2m_ml"]
        self._census = directory / "census.json"
        self.ports = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        self.api = self.token = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Start it and return the seconds until it says that it serves."""
        coap, api = map(str, self.ports)
        began = time.perf_counter()
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, *self._program, "serve", "--json", "--insecure"),
                    *("--data-directory", str(self.directory), "--coaps-port", "0"),
                    *("--coap-port", coap, "--api-port", api),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"LWM2M_ML_API_RATE": "0", CENSUS_FILE: str(self._census)},
            )
        told = json.loads(answer_of(self._process, START_SECONDS))
        self.api, self.token = told["api"], self.token or told["token"]
        return time.perf_counter() - began

    def census(self) -> dict[str, Any]:
        """What `census.py` counts; ends the benchmark when it says nothing in time."""
        assert self._process is not None
        self._census.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR2)
        ends = time.monotonic() + CENSUS_SECONDS
        while not self._census.exists():
            if time.monotonic() > ends:
                raise SystemExit(f"the server counted nothing for {CENSUS_SECONDS:.0f} s")
            time.sleep(0.1)
        counted: dict[str, Any] = json.loads(self._census.read_text())
        return counted

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order, if it runs."""
        if self._process is not None:
            self._end(signal.SIGTERM)

    def resident_bytes(self) -> int:
        """The memory it has."""
        return self._status("VmRSS")

    def largest_bytes(self) -> int:
        """The most memory it ever had."""
        return self._status("VmHWM")

    def processor_seconds(self) -> float:
        """What it and its threads took of the processors (proc(5), fields 14 and 15)."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> int:
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        assert process is not None
        assert process.stdout is not None
        process.send_signal(how)
        process.wait()
        process.stdout.close()


class Herd:
    """The devices: `herd.c`, which does one thing at a time with all of them."""

    def __init__(self, program: Path, port: int, devices: int, kinds: Path) -> None:
        command = [str(program), str(port), str(devices), str(kinds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, name: str, within: float) -> dict[str, Any]:
        """Have all devices do something; exits when they have not done it in time."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(answer_of(self._process, within))
        return found

    def stop(self) -> None:
        """Let all of them go."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def compiled_herd(directory: Path) -> Path:
    """Build the herd from its source with zig."""
    program = directory / "herd"
    subprocess.run([sys.executable, "-m", "ziglang", "cc", "-O2", "-o", program, HERE / "herd.c"], check=True)
    return program


def answer_of(process: subprocess.Popen[str], within: float) -> str:
    """The next line that a process writes; ends the benchmark when there is none in time."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], within)[0]:
        process.kill()
        raise SystemExit(f"{process.args[0]!r} said nothing for {within:.0f} s")  # type: ignore[index]
    return process.stdout.readline()


def free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
