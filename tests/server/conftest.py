"""A server on a real socket, and a scripted device that speaks CoAP to it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.store import Store
from lwm2m_ml.store.migrate import upgrade

Event = TypeVar("Event")
OBJECTS = b'</>;rt="oma.lwm2m";ct="112 110",</1/0>,</3/0>,</5/0>,</9/0>'
LIMITS = ServerLimits(request_timeout=5.0, lifetime_grace=0.2, presence_lag=0.05)


class Events:
    """What happened on the bus, in order, awaitable by type."""

    def __init__(self, bus: Bus) -> None:
        self.seen: list[object] = []
        self._news = asyncio.Condition()
        bus.subscribe(object, self._note)

    async def _note(self, event: object) -> None:
        async with self._news:
            self.seen.append(event)
            self._news.notify_all()

    def of(self, event_type: type[Event]) -> list[Event]:
        return [event for event in self.seen if isinstance(event, event_type)]

    async def wait(self, event_type: type[Event], count: int = 1) -> list[Event]:
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(lambda: len(self.of(event_type)) >= count)
        return self.of(event_type)


@dataclass
class Running:
    """A started server with what is around it."""

    server: Lwm2mServer
    store: Store
    bus: Bus
    events: Events


Script = Callable[[aiocoap.Message], Awaitable[aiocoap.Message | None]]


class ScriptedSite:
    """Renders each request by what the test says; None never answers."""

    def __init__(self) -> None:
        self.requests: list[aiocoap.Message] = []
        self.script: Script = self._not_found
        self.pipes: list[aiocoap.pipe.Pipe] = []

    async def _not_found(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(code=Code.NOT_FOUND)

    async def render_to_pipe(self, pipe: aiocoap.pipe.Pipe) -> None:
        self.requests.append(pipe.request)
        response = await self.script(pipe.request)
        if response is None:
            await asyncio.Event().wait()
            return
        if response.opt.observe is not None:
            self.pipes.append(pipe)
            pipe.add_response(response, is_last=False)
            ended = asyncio.get_running_loop().create_future()
            pipe.on_interest_end(ended.cancel)
            await asyncio.wait((ended,))
        else:
            pipe.add_response(response, is_last=True)


@dataclass
class ScriptedDevice:
    """A device whose answers are a test's script."""

    endpoint: CoapEndpoint
    site: ScriptedSite
    server: Lwm2mServer
    location: tuple[str, ...] = ()
    notified: int = field(default=1)

    async def ask(
        self,
        code: Code,
        path: Iterable[str],
        query: Iterable[str] = (),
        payload: bytes = b"",
        content_format: int | None = None,
        **options: object,
    ) -> aiocoap.Message:
        message = aiocoap.Message(code=code, payload=payload, uri_path=tuple(path), uri_query=tuple(query))
        message.opt.content_format = content_format
        for name, value in options.items():
            setattr(message.opt, name, value)
        message.remote = self.endpoint.remote(*self.server.coap_address)
        return await self.endpoint.request(message, timeout=5)

    async def register(
        self, name: str = "dev", *query: str, version: str = "1.1", lifetime: int = 300, objects: bytes = OBJECTS
    ) -> aiocoap.Message:
        asked = [f"ep={name}", f"lt={lifetime}", f"lwm2m={version}", "b=U", *query]
        response = await self.ask(Code.POST, ["rd"], asked, objects, 40)
        if response.code is Code.CREATED:
            self.location = tuple(response.opt.location_path)
        return response

    async def update(self, *query: str, payload: bytes = b"") -> aiocoap.Message:
        return await self.ask(Code.POST, self.location, query, payload, 40 if payload else None)

    async def deregister(self) -> aiocoap.Message:
        return await self.ask(Code.DELETE, self.location)

    def answers(self, payload: bytes = b"", content_format: int | None = None, code: Code = Code.CONTENT) -> None:
        async def script(_request: aiocoap.Message) -> aiocoap.Message:
            return message(code, payload, content_format)

        self.site.script = script

    def notify(self, payload: bytes, content_format: int, code: Code = Code.CONTENT) -> None:
        for pipe in self.site.pipes:
            response = message(code, payload, content_format)
            if code.is_successful():
                self.notified += 1
                response.opt.observe = self.notified
            pipe.add_response(response, is_last=not code.is_successful())

    @property
    def last_request(self) -> aiocoap.Message:
        return self.site.requests[-1]


def message(code: Code, payload: bytes = b"", content_format: int | None = None) -> aiocoap.Message:
    response = aiocoap.Message(code=code, payload=payload)
    response.opt.content_format = content_format
    return response


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables and nothing in them: copying it is faster than migrating anew for each test."""
    path = tmp_path_factory.mktemp("database") / "empty.sqlite3"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> Settings:
    settings = Settings(data_directory=tmp_path, coap_port=0, coaps_port=0, insecure=True)
    shutil.copy(empty_database, tmp_path / "lwm2m-ml.sqlite3")
    return settings


StartServer = Callable[..., Awaitable[Running]]
StartDevice = Callable[..., Awaitable[ScriptedDevice]]


@pytest.fixture
async def start_server(settings: Settings) -> AsyncIterator[StartServer]:
    async with AsyncExitStack() as stack:

        async def start(limits: ServerLimits = LIMITS, port: int = 0) -> Running:
            store = await Store.open(settings.database_url)
            bus = Bus()
            here = settings.model_copy(update={"coap_port": port})
            server = Lwm2mServer(store, bus, Catalogue.shipped(), here, limits=limits)
            running = Running(server, store, bus, Events(bus))
            stack.push_async_callback(store.close)
            stack.push_async_callback(bus.close)
            stack.push_async_callback(server.stop)
            await server.start()
            return running

        yield start


@pytest.fixture
async def running(start_server: StartServer) -> Running:
    return await start_server()


@pytest.fixture
async def start_device(running: Running) -> AsyncIterator[StartDevice]:
    async with AsyncExitStack() as stack:

        async def start(server: Lwm2mServer | None = None) -> ScriptedDevice:
            site = ScriptedSite()
            fast = CoapSettings(ack_timeout=0.2, minimum_timeout=0.1)
            endpoint = await CoapEndpoint.bind("127.0.0.1", 0, site=site, settings=fast)
            stack.push_async_callback(endpoint.close)
            return ScriptedDevice(endpoint, site, server or running.server)

        yield start


@pytest.fixture
async def device(start_device: StartDevice) -> ScriptedDevice:
    return await start_device()
