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
    def coap_address(self) -> tuple[str, int]:
        """Host and port of the CoAP endpoint."""
        parts = urlsplit(self.coap)
        if parts.hostname is None or parts.port is None:
            raise Lwm2mMlError(f"The server announced no usable CoAP address ({self.coap})")
        return parts.hostname, parts.port


@asynccontextmanager
async def server_process(data_directory: Path, *, log: Path | None) -> AsyncIterator[ServerAddress]:
    """Run a server on free ports while the block runs. Its log goes to `log`, or to our stderr when that is None."""
    command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--insecure"]
    command += ["--data-directory", str(data_directory), "--coap-port", "0", "--api-port", "0"]
    with log.open("ab") if log else nullcontext() as stderr:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=stderr)
        try:
            yield await _announced(process, log)
        finally:
            await _stop(process)


async def _announced(process: asyncio.subprocess.Process, log: Path | None) -> ServerAddress:
    stdout = process.stdout
    if stdout is None:
        raise Lwm2mMlError("The server has no standard output")
    try:
        line = await asyncio.wait_for(stdout.readline(), START_SECONDS)
    except TimeoutError as error:
        raise Lwm2mMlError(f"The server did not start within {START_SECONDS:.0f} s", hint=_tail(log)) from error
    try:
        announced = json.loads(line)
        return ServerAddress(announced["api"], announced["coap"], announced["token"])
    except (ValueError, KeyError) as error:
        raise Lwm2mMlError("The server did not start", hint=_tail(log)) from error


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return "Its log is above"
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "Its log ends with: " + " | ".join(line.strip() for line in lines)
