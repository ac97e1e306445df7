"""The side of a gateway that its end devices see: an LwM2M server for a handful of them, on one socket.

Each device that registers gets a prefix and an instance of object 25. What it puts into object 19 is observed, and kept
as a copy that the gateway's own models may be linked to. A server's requests go through one by one; it cannot observe
a device behind this gateway, nor address several at once.
"""

import asyncio
from types import TracebackType
from typing import Self

import structlog
from aiocoap import Code, Message

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.codecs import decode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.object_list import parse_object_list
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.registration import parse_registration
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.gateway.end_device import EndDevice
from lwm2m_ml_simulator.objects.binary_app_data import BinaryAppData

_log = structlog.get_logger(__name__)
PATIENCE = 20.0
_HOST = "127.0.0.1"
MAXIMUM_DEVICES = 64


class Gateway:
    """Runs beside the simulated device that is the gateway towards servers; `device` must have been given `behind`."""

    def __init__(
        self,
        device: SimulatedDevice,
        behind: dict[str, EndDevice],
        catalogue: Catalogue,
    ) -> None:
        self.patience = PATIENCE
        """For how many seconds an end device is waited for."""
        self._device = device
        self._behind = behind
        self._catalogue = catalogue
        self._coap: CoapEndpoint | None = None
        self._remotes: dict[str, Remote] = {}
        self._observed: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def uri(self) -> str:
        """Where end devices register."""
        host, port = self._endpoint.local_address
        return f"coap://{host}:{port}"

    @property
    def _endpoint(self) -> CoapEndpoint:
        if self._coap is None:
            raise RuntimeError("the gateway is not open")
        return self._coap

    async def __aenter__(self) -> Self:
        handlers = FastHandlers()
        handlers.add(Code.POST, "rd", self._register)
        handlers.add(Code.DELETE, "rd", lambda request: FastResponse(Code.DELETED))
        handlers.add(Code.POST, "dp", lambda request: FastResponse(Code.CHANGED))
        self._coap = await CoapEndpoint.bind(_HOST, 0, fast_handlers=handlers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._endpoint.close()

    def _register(self, request: FastRequest) -> FastResponse:
        """A Register, or an Update to the location that a Register gave."""
        try:
            return self._update(request) if len(request.path) > 1 else self._admit(request)
        except InvalidInputError as error:
            return FastResponse(Code.BAD_REQUEST, error.message.encode())

    def _admit(self, request: FastRequest) -> FastResponse:
        parameters = parse_registration(request.query, request.payload, request.content_format)
        name = parameters.endpoint or ""
        known = next((one for one in self._behind.values() if one.device_id == name), None)
        if known is None and len(self._behind) >= MAXIMUM_DEVICES:
            return FastResponse(Code.SERVICE_UNAVAILABLE)
        number = known.number if known is not None else len(self._behind)
        prefix = f"d{number + 1:02}"
        if known is None:
            self._behind[prefix] = EndDevice(number, name, prefix, lambda message: self._ask(prefix, message))
        self._remotes[prefix] = request.remote
        self._observed = {(other, instance) for other, instance in self._observed if other != prefix}
        self._tell(prefix, request.payload)
        return FastResponse(Code.CREATED, location_path=("rd", prefix))

    def _update(self, request: FastRequest) -> FastResponse:
        prefix = request.path[1]
        if prefix not in self._behind:
            return FastResponse(Code.NOT_FOUND)
        self._remotes[prefix] = request.remote
        if request.payload:
            self._tell(prefix, request.payload)
        return FastResponse(Code.CHANGED)

    def _tell(self, prefix: str, objects: bytes) -> None:
        """Tell the servers what objects a device has, and observe its data."""
        listed = parse_object_list(objects, "1.1")
        device = self._behind[prefix]
        device.objects = objects.decode()
        if self._device.firmware is not None:
            self._device.firmware.follow_end_devices()
        for object_id, instance in listed.objects:
            if object_id == BinaryAppData.object_id and instance is not None:
                self._observe(prefix, instance)

    def _observe(self, prefix: str, instance: int) -> None:
        if (prefix, instance) in self._observed:
            return
        self._observed.add((prefix, instance))
        task = asyncio.create_task(self._follow(prefix, instance))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, prefix: str, instance: int) -> None:
        """Keep a copy of an instance of object 19 from now on."""
        path = ObjectPath(BinaryAppData.object_id, instance)

        def keep(payload: bytes, content_format: int | None) -> None:
            if content_format is not None:
                self._behind[prefix].keep(instance, decode(payload, content_format, path, self._catalogue))

        message = Message(code=Code.GET, uri_path=tuple(map(str, path.segments)))
        message.opt.accept = int(ContentFormat.SENML_CBOR)
        message.remote = self._remotes[prefix]
        try:
            observation = await self._endpoint.observe(
                message, lambda notification: keep(notification.payload, notification.content_format)
            )
        except CoapError as error:
            self._observed.discard((prefix, instance))
            _log.warning("end_device_not_observed", prefix=prefix, reason=str(error))
            return
        keep(observation.response.payload, observation.response.opt.content_format)

    async def _ask(self, prefix: str, message: Message) -> Message:
        message.remote = self._remotes[prefix]
        return await self._endpoint.request(message, timeout=self.patience)
