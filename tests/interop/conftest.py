"""Programs on Eclipse Leshan's libraries as separate processes, and our server and device for them to talk to.

The libraries come from Maven Central through `mvn`, once, into the cache directory (`LWM2M_ML_CACHE`, else the user's).
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
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

LESHAN = "2.0.0-M15"
SOURCES = Path(__file__).parent / "leshan"
MODELS = SOURCES / "objects"
DOWNLOAD_SECONDS = 600
PATIENCE = 30.0

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId><artifactId>interop</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.eclipse.leshan</groupId><artifactId>leshan-client-cf</artifactId><version>{LESHAN}</version>
    </dependency>
    <dependency>
      <groupId>org.eclipse.leshan</groupId><artifactId>leshan-server-cf</artifactId><version>{LESHAN}</version>
    </dependency>
  </dependencies>
</project>
"""
COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"


def cache_directory() -> Path:
    chosen = os.environ.get("LWM2M_ML_CACHE")
    home = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lwm2m-ml"
    directory = home / "interop" / f"leshan-{LESHAN}"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def classpath() -> str:
    """Leshan's libraries and our programs on them, compiled."""
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: a JDK of Java 11 or newer and Maven are needed")
    home = cache_directory()
    with FileLock(home / "lock"):  # tests run in several processes, and each asks for it
        jars = downloaded(home)
        return os.pathsep.join((str(compiled(home, jars)), f"{jars}{os.sep}*"))


def downloaded(home: Path) -> Path:
    """The folder of Leshan's libraries."""
    jars = home / "jars"
    if not (home / "complete").exists():
        (home / "pom.xml").write_text(POM)
        arguments = ["mvn", "--batch-mode", "--quiet", "-f", str(home / "pom.xml"), COPY, f"-DoutputDirectory={jars}"]
        done = run(arguments)
        if done.returncode != 0:
            pytest.skip(f"Maven Central did not give Leshan {LESHAN}: {done.stdout[-300:]}")
        (home / "complete").touch()
    return jars


def compiled(home: Path, jars: Path) -> Path:
    """The folder of the class files, compiled once for each state of the sources."""
    sources = sorted(SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    classes = home / f"classes-{digest}"
    if not classes.exists():
        unfinished = home / f"classes-{digest}-{os.getpid()}"
        done = run(["javac", "-cp", f"{jars}{os.sep}*", "-d", str(unfinished), *map(str, sources)])
        assert done.returncode == 0, done.stdout
        unfinished.rename(classes)
    return classes


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=DOWNLOAD_SECONDS,
        check=False,
    )


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
