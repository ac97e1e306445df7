"""The composition root: the only place that knows every room and puts them together."""

import asyncio
import hashlib
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import structlog
import uvicorn
from fastapi import FastAPI

from lwm2m_ml.api.app import create_api
from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.tuning import collector_at_rest, prepare_for_load
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import Lwm2mMlError, MissingExtraError, UsageError
from lwm2m_ml.exposure import is_loopback
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.own_definitions import FOLDER, whole_catalogue
from lwm2m_ml.server.credentials.vault import KEY_FILE, Vault
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.access import AccessTokens, Identities
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.workers.workers import Workers
from lwm2m_ml.store import Store
from lwm2m_ml.web.door import Door, Rooms

if TYPE_CHECKING:
    from lwm2m_ml.cluster.cluster import Cluster

log = structlog.get_logger(__name__)

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class Running:
    """Where a running service is reached; `first_token` only at the first start."""

    api: str
    """The dashboard is there, too."""
    uris: Mapping[str, str]
    """Where devices register, by URI scheme."""
    first_token: str | None


class ApiServer(uvicorn.Server):
    """uvicorn that leaves signals to its owner, so that the rest of the service stops in order too."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close connections; those that would stay open for ever are told that it ends."""
        self.config.app.state.service.end_streams()  # type: ignore[union-attr]
        await super().shutdown(sockets)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Running, ApiServer, socket.socket]]:
    """A started service with its API ready to serve; everything is stopped in reverse order at the end."""
    settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    catalogue = object_catalogue(settings)
    check_exposure(settings)
    workers = compile_farm(settings)
    listener = listen(settings.api_host, settings.api_port)
    store = await Store.open(settings.database_url)
    bus = Bus()
    cluster = None if not settings.cluster else await join_cluster(settings, store, bus)
    server = Lwm2mServer(store, bus, catalogue, settings, ownership=None if cluster is None else cluster.ownership)
    if cluster is not None:
        await cluster.attach(server)
    packages = package_root(listener, settings)
    if packages:
        server.downloads.serve_over_http(packages)
    service = TinyMLService(server, store, bus, settings, catalogue=catalogue, workers=workers)
    http = httpx.AsyncClient()
    access_tokens = AccessTokens(store.tokens, oidc_providers(settings, http))
    try:
        with collector_at_rest():
            await server.start()
            await service.start()
        if cluster is not None:
            cluster.drive_campaigns()
        token = await access_tokens.issue_first_admin()
        where = Running(address_of(listener, settings), server.uris, token)
        api = create_api(service, access_tokens, server, settings)
        dashboard = Rooms(api, secure=settings.api_certificate is not None)
        api.add_middleware(Door, dashboard)
        yield where, api_server(api, settings), listener
        await dashboard.close()
        await asyncio.to_thread(api.state.end_tracing)
    finally:
        listener.close()
        await http.aclose()
        await service.stop()
        await server.stop()
        if cluster is not None:
            await cluster.leave()
        await bus.close()
        await store.close()


async def join_cluster(settings: Settings, store: Store, bus: Bus) -> "Cluster":
    """Be a node of the cluster that the operator named. Raises `MissingExtraError` and what `Cluster.join` does."""
    if not settings.database.startswith("postgresql"):
        raise UsageError("The nodes of a cluster share a database", hint="Give --database postgresql://USER@HOST/NAME")
    from lwm2m_ml.cluster.cluster import Cluster, ClusterSettings  # noqa: PLC0415 - what it imports is an extra

    certificates, credentials = settings.cluster_certificates, settings.cluster_credentials
    where = ClusterSettings(settings.cluster, certificates, credentials, settings.node)
    return await Cluster.join(where, store, bus, secrets_digest=digest_of_secrets(settings))


def digest_of_secrets(settings: Settings) -> str:
    """The same on two nodes that seal secrets and sign modules with the same keys."""
    directory = settings.data_directory
    sealed = hashlib.sha256(settings.secret.get_secret_value().encode())
    Vault.open(directory, settings.secret.get_secret_value())
    if not settings.secret.get_secret_value():
        sealed.update((directory / KEY_FILE).read_bytes())
    return hashlib.sha256(sealed.digest() + Signer.open(directory).key.verification_key.to_pem()).hexdigest()


def compile_farm(settings: Settings) -> Workers | None:
    """Who compiles instead of processes of this machine, if the operator named a farm. Raises `MissingExtraError`."""
    if not settings.compile_farm:
        return None
    from lwm2m_ml.service.workers.farm import CompileFarm  # noqa: PLC0415 - what it imports is an extra

    return CompileFarm(settings.compile_farm, settings.cluster_certificates)


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


def check_exposure(settings: Settings) -> None:
    """Raise `UsageError` when tokens would travel in the clear beyond this machine, or half of a key pair is given."""
    if (settings.api_certificate is None) != (settings.api_private_key is None):
        raise UsageError("TLS for the API needs both api_certificate and api_private_key")
    if settings.api_certificate is None and not settings.api_plaintext and not is_loopback(settings.api_host):
        raise UsageError(
            f"The API on {settings.api_host} would show tokens to the network",
            hint="Give --api-certificate and --api-private-key, or --api-plaintext behind a proxy that adds TLS",
        )


def oidc_providers(settings: Settings, http: httpx.AsyncClient) -> list[Identities]:
    """The OIDC provider that the operator named, if any. Raises `MissingExtraError`."""
    if not settings.oidc.issuer:
        return []
    try:
        from lwm2m_ml.service.oidc import OidcProvider  # noqa: PLC0415 - what it imports is an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("What checks OIDC tokens", "oidc") from error
    return [OidcProvider(settings.oidc, http)]


def address_of(listener: socket.socket, settings: Settings) -> str:
    """The URL of the API that listens there."""
    scheme = "http" if settings.api_certificate is None else "https"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def package_root(listener: socket.socket, settings: Settings) -> str:
    """The URL below which devices fetch packages over HTTP(S); empty where they cannot.

    With a certificate that is the API's own address under the name that it was given, which the certificate has to
    hold. A server that listens everywhere cannot know by which name devices reach it.
    """
    if settings.package_url:
        return settings.package_url
    if settings.api_certificate is None:
        return address_of(listener, settings) if settings.insecure else ""
    port = listener.getsockname()[1]
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    return f"https://{host}:{port}" if settings.api_host not in _EVERYWHERE else ""


def api_server(api: FastAPI, settings: Settings) -> ApiServer:
    """The HTTP server of an API. Raises `UsageError` when its certificate cannot be used."""
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        ssl_certfile=settings.api_certificate,
        ssl_keyfile=settings.api_private_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        hint = "They have to be PEM files that belong together"
        raise UsageError(f"The API's certificate and key cannot be used ({error})", hint=hint) from error
    return ApiServer(config)


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
