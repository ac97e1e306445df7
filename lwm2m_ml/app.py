"""The composition root: the only place that knows every room and puts them together."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from fastapi import FastAPI

from lwm2m_ml.api.app import create_api
from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.tuning import prepare_for_load
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.own_definitions import FOLDER, whole_catalogue
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.access import AccessTokens
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml.store import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running service is reached; `first_token` only at the first start."""

    api: str
    uris: Mapping[str, str]
    """Where devices register, by URI scheme."""
    first_token: str | None


class ApiServer(uvicorn.Server):
    """uvicorn that leaves signals to its owner, so that the rest of the service stops in order too."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Running, ApiServer, socket.socket]]:
    """A started service with its API ready to serve; everything is stopped in reverse order at the end."""
    settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    catalogue = object_catalogue(settings)
    listener = listen(settings.api_host, settings.api_port)
    store = await Store.open(settings.database_url)
    bus = Bus()
    server = Lwm2mServer(store, bus, catalogue, settings)
    if settings.package_url or settings.insecure:
        server.downloads.serve_over_http(settings.package_url or address_of(listener))
    service = TinyMLService(server, store, bus, settings, catalogue=catalogue)
    access_tokens = AccessTokens(store.tokens)
    try:
        await server.start()
        await service.start()
        token = await access_tokens.issue_first_admin()
        where = Running(address_of(listener), server.uris, token)
        yield where, api_server(create_api(service, access_tokens, server, settings)), listener
    finally:
        listener.close()
        await service.stop()
        await server.stop()
        await bus.close()
        await store.close()


def object_catalogue(settings: Settings) -> Catalogue:
    """The object definitions: ours, under the numbers that the operator chose, and the operator's own."""
    return whole_catalogue(settings.data_directory / FOLDER, settings.objects.chosen)


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket for the API. Raises Lwm2mMlError when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = f"The API cannot listen on {host}:{port} ({error.strerror or error})"
        raise Lwm2mMlError(message, hint="Choose another port with --api-port, 0 for any free one") from error


def address_of(listener: socket.socket) -> str:
    """The URL of what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def api_server(api: FastAPI) -> ApiServer:
    """The HTTP server of an API."""
    return ApiServer(
        uvicorn.Config(api, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
    )


async def serve(settings: Settings, announce: Callable[[Running], None]) -> None:
    """Run the service until SIGINT or SIGTERM; `announce` is told where it is reached once it is."""
    async with running(settings) as (where, http, listener):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, setattr, http, "should_exit", True)
        announce(where)
        prepare_for_load()
        log.info("serving", api=where.api, devices=list(where.uris.values()))
        await http.serve(sockets=[listener])
        log.info("stopping")
