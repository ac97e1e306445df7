"""A server started as a user would start it: `lwm2m-ml serve` in a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lwm2m_ml.errors import Lwm2mMlError

START_SECONDS = 60.0
STOP_SECONDS = 15.0
TAIL_LINES = 5


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where the started server is reached, and the admin token it printed."""

    api: str
    coap: str
    token: str

    @property
    def api_port(self) -> int:
        """The port of the API."""
        port = urlsplit(self.api).port
        if port is None:
            raise Lwm2mMlError(f"The server announced no usable API address ({self.api})")
        return port

    @property
    def coap_address(self) -> tuple[str, int]:
        """Host and port of the CoAP endpoint."""
        parts = urlsplit(self.coap)
        if parts.hostname is None or parts.port is None:
            raise Lwm2mMlError(f"The server announced no usable CoAP address ({self.coap})")
        return parts.hostname, parts.port


class ServerProcess:
    """One server, which may be killed and started again: its data and its ports stay. Its log goes to `log`."""

    def __init__(self, data_directory: Path, *, log: Path | None) -> None:
        """Without `log` the server writes to our stderr."""
        self._data_directory = data_directory
        self._log = log
        self._address: ServerAddress | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> ServerAddress:
        """Start it, on free ports the first time and on the same ones later."""
        coap, api = (0, 0) if self._address is None else (self._address.coap_address[1], self._address.api_port)
        command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--insecure"]
        command += ["--data-directory", str(self._data_directory), "--coap-port", str(coap), "--api-port", str(api)]
        with self._log.open("ab") if self._log else nullcontext() as stderr:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=stderr
            )
        self._address = await self._announced(self._process)
        return self._address

    async def kill(self) -> None:
        """End it as `kill -9` does: it gets no chance to write anything."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """End it in good order."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            await self.kill()

    async def _announced(self, process: asyncio.subprocess.Process) -> ServerAddress:
        stdout, log = process.stdout, self._log
        if stdout is None:
            raise Lwm2mMlError("The server has no standard output")
        try:
            line = await asyncio.wait_for(stdout.readline(), START_SECONDS)
        except TimeoutError as error:
            raise Lwm2mMlError(f"The server did not start within {START_SECONDS:.0f} s", hint=_tail(log)) from error
        try:
            announced = json.loads(line)
            token = announced["token"] or (self._address.token if self._address else "")
            return ServerAddress(announced["api"], announced["coap"], token)
        except (ValueError, KeyError) as error:
            raise Lwm2mMlError("The server did not start", hint=_tail(log)) from error


@asynccontextmanager
async def server_process(data_directory: Path, *, log: Path | None) -> AsyncIterator[ServerAddress]:
    """Run a server on free ports while the block runs. Its log goes to `log`, or to our stderr when that is None."""
    server = ServerProcess(data_directory, log=log)
    try:
        yield await server.start()
    finally:
        await server.stop()


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return "Its log is above"
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "Its log ends with: " + " | ".join(line.strip() for line in lines)
