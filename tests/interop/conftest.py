"""Programs on Eclipse Leshan's libraries as separate processes, and our server and device for them to talk to."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from lwm2m_ml.bus import Bus
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.shipped import read_definitions
from lwm2m_ml.server.events import DeviceEvent
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.store import Store
from tests.interop import leshan_libraries
from tests.interop.leshan_libraries import LeshanUnavailable, cache_directory

SOURCES = Path(__file__).parent / "leshan"
MODELS = SOURCES / "objects"
PATIENCE = 30.0


@pytest.fixture(scope="session")
def classpath() -> str:
    """Leshan's libraries and our programs on them, compiled."""
    with FileLock(cache_directory() / "lock"):  # tests run in several processes, and each asks for it
        try:
            return leshan_libraries.classpath(sorted(SOURCES.glob("*.java")))
        except LeshanUnavailable as unavailable:
            pytest.skip(str(unavailable))


class Peer:
    """A Java program that speaks JSON lines: what it tells, and commands to it. It ends when its input ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._told: deque[dict[str, Any]] = deque()
        self._news = asyncio.Condition()
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if not line.startswith(b"{"):
                continue
            async with self._news:
                self._told.append(json.loads(line))
                self._news.notify_all()

    async def told(self, event: str, **members: Any) -> dict[str, Any]:
        """Wait for it to tell an event, and take it out of what it told."""

        def fits(told: dict[str, Any]) -> bool:
            return told["event"] == event and all(told.get(name) == value for name, value in members.items())

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: any(map(fits, self._told)))
            found = next(told for told in self._told if fits(told))
            self._told.remove(found)
            return found

    def has_told(self, event: str) -> bool:
        return any(told["event"] == event for told in self._told)

    async def ask(self, do: str, **members: Any) -> dict[str, Any]:
        """Give it a command and return its answer."""
        assert self._process.stdin is not None
        self._number += 1
        command = {"number": self._number, "do": do, **members}
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()
        answer = await self.told("answer", number=self._number)
        assert "failure" not in answer, answer
        return answer

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading


StartPeer = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def start_peer(classpath: str, tmp_path: Path) -> AsyncIterator[StartPeer]:
    """Start one of the Java programs; it is ended by its process id with the test."""
    async with AsyncExitStack() as stack:

        async def start(program: str, *arguments: str) -> Peer:
            log = stack.enter_context((tmp_path / f"{program}.log").open("wb"))
            process = await asyncio.create_subprocess_exec(
                "java",
                "-cp",
                classpath,
                "-XX:TieredStopAtLevel=1",
                program,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=1 << 20,
                cwd=tmp_path,
            )
            peer = Peer(process)
            stack.push_async_callback(peer.end)
            return peer

        yield start


@pytest.fixture
def catalogue() -> Catalogue:
    """Our definitions and the object with a resource of every type, which Leshan reads from the same file."""
    catalogue = Catalogue.shipped()
    for definition in read_definitions(MODELS):
        catalogue.add(definition)
    return catalogue


class Events:
    """What happened on the bus, awaitable by type."""

    def __init__(self, bus: Bus) -> None:
        self._seen: deque[DeviceEvent] = deque()
        self._news = asyncio.Condition()
        bus.subscribe(DeviceEvent, self._note)

    async def _note(self, event: DeviceEvent) -> None:
        async with self._news:
            self._seen.append(event)
            self._news.notify_all()

    async def next(self, kind: type[DeviceEvent], fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """Wait for an event of this type, and take it out of what happened."""

        def wanted(event: DeviceEvent) -> bool:
            return isinstance(event, kind) and fits(event)

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: any(map(wanted, self._seen)))
            found = next(event for event in self._seen if wanted(event))
            self._seen.remove(found)
            return found


@dataclass
class Running:
    """Our LwM2M server."""

    server: Lwm2mServer
    events: Events

    @property
    def uri(self) -> str:
        host, port = self.server.coap_address
        return f"coap://{host}:{port}"


@pytest.fixture
async def running(tmp_path: Path, catalogue: Catalogue, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A parameter is the DTLS engine."""
    engine: Any = getattr(request, "param", "openssl")
    settings = Settings(data_directory=tmp_path, coap_port=0, insecure=True, dtls_engine=engine)
    store = await Store.open(settings.database_url)
    bus = Bus()
    server = Lwm2mServer(store, bus, catalogue, settings, limits=ServerLimits(request_timeout=10.0, awake_time=3.0))
    events = Events(bus)
    await server.start()
    yield Running(server, events)
    await server.stop()
    await bus.close()
    await store.close()


@pytest.fixture(scope="session")
def models() -> str:
    return str(MODELS)
