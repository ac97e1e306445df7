"""The LwM2M server: its parts, put together, started and stopped."""

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastHandlers
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.server.bootstrap import BootstrapServer
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.devices import DeviceOperations
from lwm2m_ml.server.downloads import Downloads
from lwm2m_ml.server.exchange import Exchange
from lwm2m_ml.server.formats import Formats
from lwm2m_ml.server.mirror import RegistrationMirror
from lwm2m_ml.server.observations import Observations
from lwm2m_ml.server.presences import Presences
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registration_interface import RegistrationInterface
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.server.request_queue import RequestQueue
from lwm2m_ml.server.sends import Sends
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.store import Store, StoreError

log = structlog.get_logger(__name__)


class Lwm2mServer:
    """Serves devices from `start()` to `stop()`. What it learns goes to the store and, as events, to the bus."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        catalogue: Catalogue,
        settings: Settings,
        *,
        limits: ServerLimits | None = None,
    ) -> None:
        limits = limits or ServerLimits()
        self._store = store
        self._settings = settings
        self._coap: CoapEndpoint | None = None
        self.registry = Registry()
        self._catalogues = Catalogues(catalogue)
        self._formats = Formats()
        self._presences = Presences(awake_seconds=limits.awake_time)
        self._exchange = Exchange(self.registry, self._presences, limits)
        self._observations = Observations(
            self.registry,
            self._exchange,
            self._formats,
            self._catalogues,
            repository=store.observations,
            bus=bus,
        )
        self.devices = DeviceOperations(self._exchange, self._formats, self._catalogues, self._observations)
        self.requests = RequestQueue(
            self.registry, self._exchange, self.devices, store.device_requests, bus=bus, limits=limits
        )
        self.downloads = Downloads(
            lambda: self.coap_address,
            lambda endpoint: self.registry.get(endpoint).address[0],
            lifetime=limits.download_lifetime,
        )
        self._mirror = RegistrationMirror(store.registrations, lag=limits.presence_lag)
        self._registrations = RegistrationInterface(
            self.registry,
            self._mirror,
            bus,
            limits,
            rebind=self._rebind,
            on_started_anew=self._started_anew,
            on_heard=self._heard,
            on_left=self._left,
        )
        self.bootstrap = BootstrapServer(store.bootstrap_configurations, catalogue, bus, timeout=limits.request_timeout)
        self._sends = Sends(self.registry, self._catalogues, bus, on_heard=self._heard)

    @property
    def coap_address(self) -> tuple[str, int]:
        """Host and port where devices are served."""
        return self._exchange.coap.local_address

    def awake(self, endpoint: str) -> bool:
        """Whether an operation on the device would be sent at once; raises `UnknownDevice`."""
        return self._exchange.awake(endpoint)

    async def start(self) -> None:
        """Open the CoAP port and know every device that was registered when the server stopped.

        Raises `PortInUse` when another program has the port, and `StoreError` when the store cannot be read.
        """
        known = await self._mirror.load()
        await self._observations.load()
        await self.requests.load()
        await self.bootstrap.load()
        handlers = FastHandlers()
        for part in (self._registrations, self._sends, self.downloads, self.bootstrap):
            part.add_to(handlers)
        coap = await CoapEndpoint.bind(self._settings.coap_host, self._settings.coap_port, fast_handlers=handlers)
        self._coap = coap
        self._exchange.attach(coap)
        self.bootstrap.attach(coap)
        self._registrations.restore(known, coap.remote)
        self._observations.restore_reachable()
        self.requests.resume()
        host, port = coap.local_address
        log.info("LwM2M server started", host=host, port=port, known_devices=len(self.registry))

    async def stop(self) -> None:
        """Close the port when everything that was promised is on disk. May be called when never started."""
        self._registrations.close()
        await self.bootstrap.close()
        await self.requests.close()
        await self._observations.close()
        if self._coap is not None:
            try:
                await self._store.writer.flush()
            except StoreError as error:
                log.warning("answers not given: the store failed", reason=str(error))
            await self._coap.close()
            self._coap = None
        await self._mirror.close()
        log.info("LwM2M server stopped")

    def _started_anew(self, registration: Registration) -> None:
        self._exchange.interrupt(registration.endpoint)
        self._exchange.heard(registration)
        self._observations.device_started_anew(registration.endpoint)
        self.requests.device_heard(registration.endpoint)

    def _heard(self, registration: Registration) -> None:
        self._exchange.heard(registration)
        self._observations.device_heard(registration.endpoint)
        self.requests.device_heard(registration.endpoint)

    def _left(self, endpoint: str) -> None:
        self._exchange.left(endpoint)
        self._formats.forget(endpoint)
        self._observations.device_left(endpoint)

    def _rebind(self, remote: Remote, new: Remote) -> None:
        self._exchange.coap.rebind(remote, new)
