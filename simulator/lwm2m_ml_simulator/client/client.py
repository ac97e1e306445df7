"""An LwM2M client for asyncio: registers, stays registered, answers the server, observes for it and sends to it.

Make subclasses of `objects.base.ObjectInstance`, hand instances of them to `Lwm2mClient`, use it as an async context
manager, and call `notify` when a value changed.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

import structlog
from aiocoap import Code, Message

from lwm2m_ml.coap.oscore import MemoryStates, OscoreStates
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.errors import Lwm2mMlError, UsageError
from lwm2m_ml.lwm2m.attributes import NotificationAttributes
from lwm2m_ml.lwm2m.bootstrap import Account
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.lwm2m.send import format_send
from lwm2m_ml.lwm2m.versions import Version, default_object_version
from lwm2m_ml_simulator.client.accounts import (
    AccountStore,
    NoAccountStore,
    account_instances,
    bootstrap_account,
    dump_accounts,
    load_accounts,
    securities,
    server_accounts,
    servers_of,
)
from lwm2m_ml_simulator.client.bootstrap_client import BootstrapClient
from lwm2m_ml_simulator.client.connection import ServerConnection, listen
from lwm2m_ml_simulator.client.credentials import AccountCredentials
from lwm2m_ml_simulator.client.endpoint import DEVICE_SETTINGS, DeviceEndpoint
from lwm2m_ml_simulator.client.notification_rules import AttributeStore
from lwm2m_ml_simulator.client.oscore import AccountContexts, uses_oscore
from lwm2m_ml_simulator.client.payloads import value_formats
from lwm2m_ml_simulator.client.registration import Registration
from lwm2m_ml_simulator.client.server_uri import ServerUri
from lwm2m_ml_simulator.client.site import Behind, DeviceSite
from lwm2m_ml_simulator.client.tree import HIDDEN_OBJECTS, ObjectTree
from lwm2m_ml_simulator.network.radio import Radio, RadioSettings
from lwm2m_ml_simulator.objects.base import ObjectInstance
from lwm2m_ml_simulator.objects.device import Device, DeviceIdentity
from lwm2m_ml_simulator.objects.security import Oscore, Security
from lwm2m_ml_simulator.objects.server import Server

_log = structlog.get_logger(__name__)
_SEND_SINCE = Version(1, 1)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
DEFAULT_VERSION = "1.1"


class Lwm2mClient:
    """One LwM2M client on ports of its own. Objects 0, 1 and 3 are added where the caller brings none.

    `server` is the URI of an LwM2M server without security, or an account: that of a bootstrap server leads to others.
    `version` is the highest one to speak. `host` is the address to listen on; by default one from which the server can
    be reached. With a radio that sleeps the client is in queue mode. With `connection_ids` DTLS sessions outlive
    changes of the address. `oscore` has keys that protect the account's messages.
    """

    def __init__(
        self,
        endpoint: str,
        server: str | Account,
        instances: Iterable[ObjectInstance] = (),
        *,
        lifetime: int = 86_400,
        version: str = DEFAULT_VERSION,
        host: str | None = None,
        catalogue: Catalogue | None = None,
        radio: RadioSettings | Radio | None = None,
        account_store: AccountStore | None = None,
        connection_ids: bool = False,
        oscore: Oscore | None = None,
        oscore_states: OscoreStates | None = None,
        coap_settings: CoapSettings = DEVICE_SETTINGS,
    ) -> None:
        account = _factory_account(server, lifetime) if isinstance(server, str) else server
        ServerUri.parse(account.uri)
        self.endpoint = endpoint
        self.catalogue = catalogue if catalogue is not None else Catalogue.shipped()
        defaults = (*account_instances(account, oscore), Device(DeviceIdentity(serial_number=endpoint)))
        self.tree = ObjectTree((*defaults, *instances))
        self.registered = asyncio.Event()
        self.radio = radio if isinstance(radio, Radio) else Radio(radio if radio is not None else RadioSettings())
        self._best_version = version
        self._host = host
        self._account_store = account_store if account_store is not None else NoAccountStore()
        self._oscore_states = oscore_states if oscore_states is not None else MemoryStates()
        self._connection_ids = connection_ids
        self._uses_oscore = False
        self._coap: DeviceEndpoint | None = None
        self._coap_settings = coap_settings
        self._credentials = AccountCredentials(lambda: securities(self.tree))
        self._registrations: list[Registration] = []
        self._bootstrap_wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        attributes = AttributeStore(self.catalogue, lambda: self.version, self._notification_defaults)
        self._site = DeviceSite(
            self.tree,
            self.catalogue,
            attributes,
            endpoint=endpoint,
            version=lambda: self.version,
            confirmable=lambda: all(server.notifies_confirmably for server in servers_of(self.tree)),
            on_instances_changed=self.update,
        )

    def let_through(self, behind: Mapping[str, Behind]) -> None:
        """Answer requests whose path begins with a prefix as the device behind this one does."""
        self._site.behind = behind

    @property
    def coap(self) -> DeviceEndpoint:
        """The CoAP endpoint; there is one between `start` and `stop`."""
        if self._coap is None:
            raise UsageError(f"the client {self.endpoint} is not started")
        return self._coap

    @property
    def server_account(self) -> Server:
        """The first instance of object 1; a client that was never bootstrapped has none."""
        servers = servers_of(self.tree)
        if not servers:
            raise UsageError(f"the client {self.endpoint} has no server yet")
        return servers[0]

    @property
    def version(self) -> str:
        """The version of LwM2M that is spoken now."""
        versions = [registration.version for registration in self._registrations]
        return max(versions, key=Version.parse, default=self._best_version)

    @property
    def can_send(self) -> bool:
        """Whether the version that is spoken has Send."""
        return Version.parse(self.version) >= _SEND_SINCE

    async def start(self) -> None:
        """Open the port and begin to register; `registered` is set while a server knows this client."""
        settings = self._coap_settings
        self._coap = DeviceEndpoint(self._site, self.radio, settings, connection_ids=self._connection_ids)
        kept = self._account_store.load()
        if kept is not None:
            await load_accounts(self.tree, kept, self.catalogue)
        await self._listen()
        self._task = asyncio.create_task(self._live(), name=f"{self.endpoint} registration")

    async def stop(self, *, deregister: bool = True) -> None:
        """Leave, with or without telling the servers, and close the port."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if deregister:
            await self._deregister()
        self._registrations = []
        self._uses_oscore = False
        self.registered.clear()
        coap, self._coap = self._coap, None
        if coap is not None:
            await coap.close()

    def update(self) -> None:
        """Send an Update soon: lifetime or objects changed."""
        for registration in self._registrations:
            registration.request_update()

    def notify(self, *paths: ObjectPath | str) -> None:
        """Say that values changed, for those who observe them."""
        for path in paths:
            self._site.notify(path if isinstance(path, ObjectPath) else ObjectPath.parse(path))

    async def send(self, records: Sequence[Record], *, content_format: int = ContentFormat.SENML_CBOR) -> bool:
        """Send values to the servers unasked (Core TS §6.4.6); False when one did not take them, or none could be sent.

        LwM2M 1.0 has no Send.
        """
        muted = any(server.send_muted for server in servers_of(self.tree))
        able = [
            registration for registration in self._registrations if Version.parse(registration.version) >= _SEND_SINCE
        ]
        if muted or not able:
            return False
        payload = format_send(records, int(content_format), self.catalogue)
        return all([await self._send(registration, payload, int(content_format)) for registration in able])

    async def _send(self, registration: Registration, payload: bytes, content_format: int) -> bool:
        if not await registration.answered():
            return False
        message = Message(code=Code.POST, uri_path=("dp",), payload=payload, content_format=content_format)
        try:
            response = await registration.server.request(message)
        except Lwm2mMlError as error:
            _log.warning("send_failed", endpoint=self.endpoint, reason=str(error))
            return False
        if response.code is Code.NOT_FOUND:
            registration.forget()
        return bool(response.code.is_successful())

    async def _listen(self) -> None:
        """Open what the accounts need; after a bootstrap that may be more than before."""
        for account in securities(self.tree):
            await listen(self.coap, account, self._host, self._credentials)
        if uses_oscore(self.tree) and not self._uses_oscore:
            self._uses_oscore = True
            self.coap.use_oscore(AccountContexts(self.tree), self._oscore_states)
        for server in servers_of(self.tree):
            server.on_update = self.update
            server.on_bootstrap = self._bootstrap_wanted.set

    async def _live(self) -> None:
        """Bootstrap when there is no server to register at, or when somebody wants it; else stay registered."""
        pause = _FIRST_PAUSE
        while True:
            if self._bootstrap_wanted.is_set() or not server_accounts(self.tree):
                if not await self._bootstrap():
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                pause = _FIRST_PAUSE
            await self._stay_registered()

    async def _bootstrap(self) -> bool:
        account = bootstrap_account(self.tree)
        if account is None:
            _log.error("no_server", endpoint=self.endpoint, hint="Give an account of a server or a bootstrap server")
            return False
        client = BootstrapClient(self.endpoint, self.tree, self.catalogue, self._site, version=self._best_version)
        if not await client.run(ServerConnection(self.coap, ServerUri.parse(account.server_uri))):
            return False
        self._bootstrap_wanted.clear()
        self._account_store.save(dump_accounts(self.tree, self.catalogue))
        await self._listen()
        return True

    async def _stay_registered(self) -> None:
        """Keep one registration for each account, until a bootstrap is wanted."""
        self._registrations = [self._registration(*account) for account in server_accounts(self.tree)]
        tasks = [asyncio.create_task(registration.keep()) for registration in self._registrations]
        try:
            await self._bootstrap_wanted.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._deregister()
        self._registrations = []

    def _registration(self, account: Security, server: Server) -> Registration:
        connection = ServerConnection(self.coap, ServerUri.parse(account.server_uri))
        registration = Registration(
            connection,
            lambda version: self._parameters(server, version),
            version=self._best_version,
            on_change=self._registration_changed,
            on_hopeless=self._registration_hopeless,
        )
        server.on_disable = lambda: registration.disable(server.disable_timeout)
        return registration

    def _registration_changed(self) -> None:
        if any(registration.is_registered for registration in self._registrations):
            self.registered.set()
        else:
            self.registered.clear()

    def _registration_hopeless(self) -> None:
        """Bootstrap on Registration Failure (/1/x/16): on, where there is somebody to ask."""
        if bootstrap_account(self.tree) is not None:
            self._bootstrap_wanted.set()

    async def _deregister(self) -> None:
        for registration in self._registrations:
            await registration.remove()

    def _notification_defaults(self) -> NotificationAttributes:
        servers = servers_of(self.tree)
        return servers[0].notification_defaults() if servers else NotificationAttributes()

    def _parameters(self, server: Server, version: str) -> RegistrationParameters:
        objects: dict[tuple[int, int | None], str] = {}
        for object_id in self.tree.object_ids():
            if object_id in HIDDEN_OBJECTS:
                continue
            object_version = self.tree.version(object_id) or default_object_version(object_id, version)
            instances = self.tree.instances(object_id)
            objects.update({(object_id, instance.instance_id): object_version for instance in instances})
            if not instances:
                objects[object_id, None] = object_version
        return RegistrationParameters(
            self.endpoint,
            server.lifetime,
            version,
            server.binding.replace("Q", ""),
            queue_mode=self.radio.settings.queue_mode,
            objects=objects,
            content_formats=frozenset(int(number) for number in value_formats(version)),
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()


def _factory_account(uri: str, lifetime: int) -> Account:
    return Account(uri, short_server_id=1, lifetime=lifetime, binding=ServerUri.parse(uri).binding)
