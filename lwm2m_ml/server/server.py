"""The LwM2M server: its parts, put together, started and stopped."""

from collections.abc import Container
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.bus import Bus, Ownership, SoleOwner
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, HandlerTable
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.server.absent import AbsentPeer
from lwm2m_ml.server.admission import Admission
from lwm2m_ml.server.bootstrap import BootstrapServer
from lwm2m_ml.server.catalogues import Catalogues
from lwm2m_ml.server.credentials.credential import Credential
from lwm2m_ml.server.credentials.credentials import Credentials
from lwm2m_ml.server.credentials.own_certificate import own_certificate, own_certificate_pem
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.server.device_history import DeviceHistories
from lwm2m_ml.server.devices import DeviceOperations
from lwm2m_ml.server.devices_elsewhere import DevicesElsewhere
from lwm2m_ml.server.downloads import Downloads, Route
from lwm2m_ml.server.dtls_sessions import StoredDtlsSessions
from lwm2m_ml.server.exchange import Exchange
from lwm2m_ml.server.formats import Formats
from lwm2m_ml.server.gate import GatedHandlers
from lwm2m_ml.server.keepers import Keeper, Keepers
from lwm2m_ml.server.listening import Addresses, Listening, listen, public_addresses, uri
from lwm2m_ml.server.message_log import MessageLog
from lwm2m_ml.server.mirror import RegistrationMirror
from lwm2m_ml.server.observations import Observations
from lwm2m_ml.server.oscore_states import StoredOscoreStates
from lwm2m_ml.server.presences import Presences
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registration_interface import SEGMENT as RD
from lwm2m_ml.server.registration_interface import RegistrationInterface
from lwm2m_ml.server.registration_records import scheme_of
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.server.request_queue import RequestQueue
from lwm2m_ml.server.sends import Sends
from lwm2m_ml.server.settings import ServerLimits
from lwm2m_ml.server.statistics import OperationStatistics
from lwm2m_ml.store import Store, StoreError, tables
from lwm2m_ml.store.registrations import RegistrationRecord

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls_cid.stored import StoredSessions

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
        ownership: Ownership | None = None,
    ) -> None:
        """With an `ownership` that it shares with other nodes the server acts for a device after it claimed it."""
        limits = limits or ServerLimits()
        self._limits = limits
        self._bus = bus
        self._ownership = ownership or SoleOwner()
        self._elsewhere = None if ownership is None else DevicesElsewhere(self, store.registrations, ownership)
        self._store = store
        self._settings = settings
        self._coap: CoapEndpoint | None = None
        self._addresses: Addresses = {}
        self._public = public_addresses(settings.public_uris)
        self._listening: Listening | None = None
        self._own = own_certificate(settings.data_directory, settings.certificate, settings.private_key)
        self.vault = vault = Vault.open(settings.data_directory, settings.secret.get_secret_value())
        self.credentials = Credentials(store.credentials, vault)
        self._sessions = StoredDtlsSessions(store.dtls_sessions, vault, self.credentials.endpoint_of, self._ownership)
        self.registry = Registry()
        self._catalogues = Catalogues(catalogue)
        self._formats = Formats()
        self._presences = Presences(awake_seconds=limits.awake_time)
        self._keepers = Keepers()
        self._exchange = Exchange(self.registry, self._presences, limits, self._ownership)
        self._admission = admission = Admission(self.registry, self.credentials, limits, insecure=settings.insecure)
        self.pressed = admission.pressed
        self._observations = Observations(
            self.registry,
            self._exchange,
            self._formats,
            self._catalogues,
            repository=store.observations,
            keepers=self._keepers,
            bus=bus,
            pressed=lambda: admission.pressed() or self._keepers.away,
        )
        self.devices: DeviceOperations = DeviceOperations(
            self._exchange, self._formats, self._catalogues, self._observations
        )
        self.requests = RequestQueue(
            self.registry,
            self._exchange,
            self.devices,
            store.device_requests,
            bus=bus,
            limits=limits,
            ownership=self._ownership,
        )
        self.downloads = Downloads(
            self._route,
            store.download_offers,
            lifetime=limits.download_lifetime,
            bus=None if ownership is None else bus,
        )
        self.messages = MessageLog(self.registry)
        self.histories = DeviceHistories(self.registry, bus)
        self._mirror = RegistrationMirror(store.registrations, self.registry.find, lag=limits.presence_lag)
        self._registrations = RegistrationInterface(
            self.registry,
            self._mirror,
            bus,
            limits,
            admission=admission,
            rebind=self._rebind,
            on_started_anew=self._started_anew,
            on_heard=self._heard,
            on_left=self._left,
            on_overdue=None if self._elsewhere is None else self._elsewhere.overdue,
        )
        self.bootstrap = BootstrapServer(
            store.bootstrap_configurations,
            self.credentials,
            vault,
            catalogue,
            bus,
            insecure=settings.insecure,
            timeout=limits.request_timeout,
        )
        self._sends = Sends(
            self._registrations.speaker,
            self._catalogues,
            bus,
            keepers=self._keepers,
            retry_after=limits.overload_retry,
            on_heard=self._heard,
        )

    @property
    def coap_address(self) -> tuple[str, int]:
        """Host and port where devices are served: over plain CoAP when that is on, else over DTLS."""
        return self._exchange.coap.local_address

    @property
    def traffic(self) -> dict[tuple[str, str], int]:
        """Bytes since the start by URI scheme and direction; see `CoapEndpoint.traffic`."""
        return {} if self._coap is None else self._coap.traffic

    @property
    def uris(self) -> dict[str, str]:
        """Where devices are served, by URI scheme; plain CoAP first."""
        return {scheme: uri(scheme, address) for scheme, address in self._addresses.items()}

    @property
    def certificate(self) -> str:
        """The server's certificate as PEM, for devices to know it by."""
        return own_certificate_pem(self._own)

    def add_keeper(self, keeper: Keeper) -> None:
        """Answer Sends and confirmable notifications only after `keeper` has written what it keeps of them."""
        self._keepers.add(keeper)

    @property
    def keepers_are_away(self) -> bool:
        """Whether nothing that devices report is acknowledged."""
        return self._keepers.away

    def keepers_away(self, away: bool) -> None:
        """While they are, acknowledge no Send and no confirmable notification: nobody would keep it."""
        self._keepers.away = away

    def remove_keeper(self, keeper: Keeper) -> None:
        """Ask this keeper no more."""
        self._keepers.remove(keeper)

    @property
    def statistics(self) -> OperationStatistics:
        """What became of the operations on devices."""
        return self._exchange.statistics

    def awake(self, endpoint: str) -> bool:
        """Whether an operation on the device would be sent at once; raises `UnknownDevice`."""
        orphaned = self._elsewhere is not None and self._elsewhere.is_orphan(endpoint)
        return self._exchange.awake(endpoint) and not orphaned

    async def start(self) -> None:
        """Open the ports and know every device that was registered when the server stopped.

        Raises `PortInUse` when another program has a port, `StoreError` when the store cannot be read, and
        `SecretsUnreadable` when its secrets cannot.
        """
        known = await self._mirror.load()
        await self.credentials.load()
        await self._observations.load()
        await self.requests.load()
        await self.bootstrap.load()
        await self.downloads.load()
        handlers = FastHandlers()
        gate = self._gate(handlers)
        self._registrations.add_to(gate)
        self._sends.add_to(gate)
        self.downloads.add_to(handlers)
        self.bootstrap.add_to(handlers)
        self._listening = await listen(
            self._settings,
            handlers,
            self.credentials.index,
            self._own,
            states=StoredOscoreStates(self._store.oscore_contexts),
            sessions=self._sessions,
            shared=self._elsewhere is not None,
        )
        coap, self._addresses = self._listening.coap, self._listening.addresses
        for credential in self.credentials.list():
            self._listening.trust(credential)
        self._coap = coap
        self._exchange.attach(coap)
        self.bootstrap.attach(coap)
        if self._elsewhere is None:
            await self._store.dtls_sessions.all_are_ours()
        self._registrations.restore(known, self._known_peer)
        self.credentials.attach(on_added=self._credential_added, on_gone=self._credential_gone)
        self._observations.restore_reachable()
        self.requests.resume()
        self.histories.start()
        if self._elsewhere is not None:
            self._elsewhere.start(self._bus)
            self.downloads.listen()
        log.info("LwM2M server started", uris=list(self.uris.values()), known_devices=len(self.registry))

    async def stop(self) -> None:
        """Close the port when everything that was promised is on disk. May be called when never started."""
        if self._elsewhere is not None:
            await self._elsewhere.stop()
        self._registrations.close()
        self.messages.stop()
        await self.histories.stop()
        self.credentials.close()
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

    # Devices that other nodes act for

    @property
    def ownership(self) -> Ownership:
        """What this server acts for."""
        return self._ownership

    def learn(self, record: RegistrationRecord) -> None:
        """Know a device as another node stored it."""
        registration = self._registrations.learn(record, self._known_peer(record))
        self._registrations.watch(registration)
        self._exchange.heard(registration)

    def watch_anew(self, endpoint: str) -> None:
        """Look at a device again when its whole lifetime has passed once more."""
        registration = self.registry.find(endpoint)
        if registration is not None:
            self._registrations.watch(registration, anew=True)

    def renewed_elsewhere(self, endpoint: str) -> bool:
        """Another node heard a device; False when the device is not known here."""
        registration = self.registry.find(endpoint)
        if registration is not None:
            self._exchange.heard(self._registrations.renewed_elsewhere(registration))
        return registration is not None

    async def follow(self, changed: Container[str]) -> None:
        """Take over what another node changed in these tables."""
        if tables.credentials.name in changed:
            await self.credentials.follow()
        if tables.bootstrap_configurations.name in changed:
            await self.bootstrap.load()

    def note_orphan(self, endpoint: str) -> None:
        """No node answered for a device."""
        if self._elsewhere is not None:
            self._elsewhere.note_orphan(endpoint)

    def served_elsewhere(self, endpoint: str) -> None:
        """Another node answers a device from now on: it hears what is observed, and this one not all that is said."""
        self._observations.device_left(endpoint)
        for credential in self.credentials.list(endpoint):
            self._exchange.coap.doubt(credential.name)
        registration = self.registry.find(endpoint)
        if registration is not None and self._stored_sessions is not None:
            self._stored_sessions.let_go(registration.remote)

    def left_elsewhere(self, endpoint: str) -> None:
        """Another node saw a device leave."""
        self._registrations.left_elsewhere(endpoint)

    def expire(self, endpoint: str) -> None:
        """End a registration that was not renewed in time."""
        self._registrations.expire(endpoint)

    async def adopt(self, endpoint: str) -> None:
        """Go on with what was asked of a device that this server acts for now."""
        await self.requests.adopt(endpoint)
        await self._observations.adopt(endpoint)

    def _gate(self, handlers: HandlerTable) -> HandlerTable:
        if self._elsewhere is None:
            return handlers
        return GatedHandlers(handlers, self._ownership, self._endpoint_of, retry_after=self._limits.overload_retry)

    def _endpoint_of(self, request: FastRequest) -> str | None:
        """The device that a request below /rd or /dp is about, if its sender may speak for it."""
        identity = request.remote.identity
        proven = None if identity is None else self.credentials.endpoint_of(identity)
        if request.path == (RD,):
            named = next((item[3:] for item in request.query if item.startswith("ep=")), None)
            endpoint = proven or named
            return endpoint if endpoint and self.credentials.may_speak_for(identity, endpoint) else None
        found = self.registry.at(request.path[1]) if len(request.path) == 2 else self.registry.of(request.remote)
        if found is None:
            return proven
        return found.endpoint if self._admission.may_continue(found, request.remote) else None

    def _known_peer(self, record: RegistrationRecord) -> Remote:
        """The peer that a device was in an earlier run: its connection is gone, its session may be stored."""
        host, port, scheme = record.address_host, record.address_port, scheme_of(record)
        sessions = self._stored_sessions
        if scheme == "coaps" and record.identity is not None and sessions is not None and self._elsewhere is None:
            resting = sessions.resting_peer(record.identity, host, port)
            if resting is not None:
                return resting
        if scheme == "coap" and scheme in self._addresses:
            here = self._exchange.coap.remote(host, port)
            if record.identity is None:
                return here
            context = self.credentials.index.oscore_named(record.identity)
            if context is not None:
                return self._exchange.coap.secured(here, context)
        return AbsentPeer(scheme, host, port, record.identity)

    @property
    def _stored_sessions(self) -> "StoredSessions | None":
        return None if self._listening is None else self._listening.sessions

    def _route(self, endpoint: str) -> Route:
        registration = self.registry.find(endpoint)
        scheme = "" if registration is None else registration.remote.scheme
        if scheme not in self._addresses:
            scheme = next(iter(self._addresses))
        host, port = self._public.get(scheme) or self._addresses[scheme]
        return Route(scheme, host, port, lambda: self.registry.get(endpoint).address[0])

    def _credential_added(self, credential: Credential) -> None:
        if self._listening is not None:
            self._listening.trust(credential)
        registration = self.registry.find(credential.endpoint)
        if registration is not None and registration.identity is None:
            self._registrations.exclude(credential.endpoint, "it has a credential now and came in without")

    def _credential_gone(self, credential: Credential) -> None:
        self._exchange.coap.drop_identity(credential.name)
        registration = self.registry.find(credential.endpoint)
        if registration is not None and registration.identity == credential.name:
            self._registrations.exclude(credential.endpoint, "its credential was revoked or has ended")

    def _started_anew(self, registration: Registration) -> None:
        self._came_in(registration)
        self._exchange.started_anew(registration)
        self._exchange.heard(registration)
        self._observations.device_started_anew(registration.endpoint)
        self.requests.device_heard(registration.endpoint)

    def _came_in(self, registration: Registration) -> None:
        """Use up what a device that proved its identity came in with: its session is kept, old credentials end."""
        if registration.identity is None:
            return
        if self._stored_sessions is not None:
            self._stored_sessions.keep(registration.remote)
        self.credentials.used(registration.identity)

    def _heard(self, registration: Registration) -> None:
        self._came_in(registration)
        self._exchange.heard(registration)
        self._observations.device_heard(registration.endpoint)
        self.requests.device_heard(registration.endpoint)

    def _left(self, registration: Registration) -> None:
        endpoint, sessions = registration.endpoint, self._stored_sessions
        if sessions is not None and self._ownership.has(endpoint):
            sessions.keep_no_more(registration.remote)
        self._exchange.left(endpoint)
        self._formats.forget(endpoint)
        self._observations.device_left(endpoint)

    def _rebind(self, remote: Remote, new: Remote) -> None:
        self._exchange.coap.rebind(remote, new)
        remote.identity = new.identity
