"""An LwM2M client for asyncio: registers, stays registered, answers the server, observes for it and sends to it.

Make subclasses of `objects.base.ObjectInstance`, hand instances of them to `Lwm2mClient`, use it as an async context
manager, and call `notify` when a value changed.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import structlog
from aiocoap import Code, Message

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.settings import CoapSettings
from lwm2m_ml.errors import Lwm2mMlError, UsageError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.lwm2m.send import format_send
from lwm2m_ml.lwm2m.versions import default_object_version
from lwm2m_ml_simulator.notification_rules import AttributeStore
from lwm2m_ml_simulator.objects.base import ObjectInstance
from lwm2m_ml_simulator.objects.device import Device, DeviceIdentity
from lwm2m_ml_simulator.objects.security import Security
from lwm2m_ml_simulator.objects.server import Server
from lwm2m_ml_simulator.payloads import VALUE_FORMATS
from lwm2m_ml_simulator.registration import Registration
from lwm2m_ml_simulator.site import DeviceSite
from lwm2m_ml_simulator.tree import ObjectTree

_log = structlog.get_logger(__name__)
_DEFAULT_PORT = 5683
# A device has few peers and little memory; it speaks to the server it was told, so it needs no proof of its address.
_COAP_SETTINGS = CoapSettings(
    receive_buffer=64 * 1024,
    maximum_remotes=16,
    maximum_response_body=64 * 1024,
    assembly_bytes=2 * 1024 * 1024,
    amplification_factor=0,
)


class Lwm2mClient:
    """One LwM2M client on a UDP port of its own. Objects 0, 1 and 3 are added where the caller brings none.

    `host` is the address to listen on; by default one from which the server can be reached.
    """

    def __init__(
        self,
        endpoint: str,
        server_uri: str,
        instances: Iterable[ObjectInstance] = (),
        *,
        lifetime: int = 86_400,
        version: str = "1.1",
        host: str | None = None,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.catalogue = catalogue if catalogue is not None else Catalogue.shipped()
        self.server_account = Server(lifetime=lifetime)
        defaults = (Security(server_uri), self.server_account, Device(DeviceIdentity(serial_number=endpoint)))
        self.tree = ObjectTree((*defaults, *instances))
        self.registered = asyncio.Event()
        self._server = parse_server_uri(server_uri)
        self._host = host
        self._version = version
        self._coap: CoapEndpoint | None = None
        self._registration: Registration | None = None
        self._task: asyncio.Task[None] | None = None
        attributes = AttributeStore(self.catalogue, version, self.server_account.notification_defaults)
        self._site = DeviceSite(
            self.tree, self.catalogue, attributes, endpoint=endpoint, on_instances_changed=self.update
        )
        self.server_account.on_update = self.update

    @property
    def coap(self) -> CoapEndpoint:
        """The CoAP endpoint; there is one between `start` and `stop`."""
        if self._coap is None:
            raise UsageError(f"the client {self.endpoint} is not started")
        return self._coap

    async def start(self) -> None:
        """Open the port and begin to register; `registered` is set while the server knows this client."""
        address = await self._resolve()
        host = self._host or _local_host(address[0])
        self._coap = await CoapEndpoint.bind(host, 0, site=self._site, settings=_COAP_SETTINGS)
        self._server = address
        self._registration = Registration(self._coap, address, self._parameters, self.registered)
        self._task = asyncio.create_task(self._registration.keep())

    async def stop(self, *, deregister: bool = True) -> None:
        """Leave, with or without telling the server, and close the port."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._registration is not None and deregister:
            await self._registration.remove()
        self.registered.clear()
        coap, self._coap = self._coap, None
        if coap is not None:
            await coap.close()

    def update(self) -> None:
        """Send an Update soon: lifetime or objects changed."""
        if self._registration is not None:
            self._registration.request_update()

    def notify(self, *paths: ObjectPath | str) -> None:
        """Say that values changed, for those who observe them."""
        for path in paths:
            self._site.notify(path if isinstance(path, ObjectPath) else ObjectPath.parse(path))

    async def send(self, records: Sequence[Record], *, content_format: int = ContentFormat.SENML_CBOR) -> bool:
        """Send values to the server unasked (Core TS §6.4.6); False when it did not take them."""
        if self.server_account.send_muted:
            return False
        payload = format_send(records, int(content_format), self.catalogue)
        message = Message(code=Code.POST, uri_path=("dp",), payload=payload, content_format=int(content_format))
        message.remote = self.coap.remote(*self._server)
        try:
            response = await self.coap.request(message)
        except Lwm2mMlError as error:
            _log.warning("send_failed", endpoint=self.endpoint, reason=str(error))
            return False
        if response.code is Code.NOT_FOUND and self._registration is not None:
            self._registration.forget()
        return bool(response.code.is_successful())

    async def _resolve(self) -> tuple[str, int]:
        """Return the IP address of the server."""
        host, port = self._server
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise UsageError(f"the LwM2M server {host!r} cannot be found", hint=str(error)) from error
        address = found[0][4]
        return str(address[0]), int(address[1])

    def _parameters(self) -> RegistrationParameters:
        objects: dict[tuple[int, int | None], str] = {}
        for object_id in self.tree.object_ids():
            if object_id == Security.object_id:
                continue
            version = self.tree.version(object_id) or default_object_version(object_id, self._version)
            instances = self.tree.instances(object_id)
            objects.update({(object_id, instance.instance_id): version for instance in instances})
            if not instances:
                objects[object_id, None] = version
        return RegistrationParameters(
            self.endpoint,
            self.server_account.lifetime,
            self._version,
            self.server_account.binding,
            objects=objects,
            content_formats=frozenset(int(number) for number in VALUE_FORMATS),
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()


def _local_host(server: str) -> str:
    """Return where to listen, so that this server can be reached and nobody else without need."""
    address = ipaddress.ip_address(server)
    if address.is_loopback:
        return server if address.version == 6 else "127.0.0.1"
    return "::" if address.version == 6 else "0.0.0.0"  # noqa: S104 - a device is there to be reached by its server


def parse_server_uri(uri: str) -> tuple[str, int]:
    """Return host and port of a coap:// URI."""
    parts = urlsplit(uri)
    if parts.scheme != "coap" or not parts.hostname:
        raise UsageError(f"{uri!r} is not the address of an LwM2M server", hint="Write coap://host:port")
    return parts.hostname, parts.port or _DEFAULT_PORT
