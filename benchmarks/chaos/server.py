"""The service as a process that is killed and comes back: same data, same ports."""

import asyncio
import json
import random
import signal
import socket
import sys
from pathlib import Path
from typing import IO

START_SECONDS = 300.0
PORTS = range(15_000, 30_000)
"""Below those that the kernel gives to sockets without a wish: nobody gets a dead server's port meanwhile."""


class MortalServer:
    """`lwm2m-ml serve` on fixed ports; `kill` is SIGKILL, and nothing else is done for it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._log: IO[bytes] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.coap = self.api = ""
        self._ports = (free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM))
        self.token = ""
        self.deaths = 0

    async def start(self) -> None:
        """Start, or start again where it was."""
        coap, api = map(str, self._ports)
        self._log = (self._data.parent / "server.log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--insecure", "--data-directory", str(self._data)),
            *("--coap-port", coap, "--coaps-port", "0", "--api-port", api),
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
        told = json.loads(line)
        self.coap, self.api = told["coap"], told["api"]
        self.token = self.token or told["token"]

    async def kill(self) -> None:
        """kill -9."""
        self.deaths += 1
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in good order."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            await process.wait()
        if self._log is not None:
            self._log.close()


def free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that nobody has now."""
    for port in random.sample(PORTS, 100):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
