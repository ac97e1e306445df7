"""A small LwM2M server that drives one device through an update, however often that loses its power."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from aiocoap import Code, Message

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.errors import SimulatorError

_ETAG = b"sweep"


class Away(SimulatorError):
    """The device did not answer, or not with success."""


class SweepServer:
    """Registers whoever comes, serves packages, and asks the device that registered last."""

    def __init__(self, catalogue: Catalogue, *, patience: float) -> None:
        self.packages: dict[str, bytes] = {}
        self.registrations = 0
        self._catalogue = catalogue
        self._patience = patience
        self._coap: CoapEndpoint | None = None
        self._device: Remote | None = None
        self._registered = asyncio.Event()

    @property
    def uri(self) -> str:
        """The server's URI."""
        host, port = self._endpoint.local_address
        return f"coap://{host}:{port}"

    def package_uri(self, name: str) -> str:
        """Where a package is."""
        return f"{self.uri}/packages/{name}"

    async def until_registered(self, after: int, seconds: float) -> bool:
        """Wait for a registration that follows the one with number `after`; False when none comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.registrations <= after:
                    self._registered.clear()
                    await self._registered.wait()
        return self.registrations > after

    def forget_device(self) -> None:
        """Ask nobody until a device registers."""
        self._device = None

    async def value(self, path: str) -> Value:
        """Read one resource; raises Away."""
        base = ObjectPath.parse(path)
        response = await self._ask(Message(code=Code.GET), base, accept=ContentFormat.SENML_CBOR)
        records = decode(response.payload, int(response.opt.content_format or 0), base, self._catalogue)
        value = records[0].value if records else None
        if value is None:
            raise Away(f"{path} has no value")
        return value

    async def write(self, path: str, value: Value) -> None:
        """Write one resource; raises Away."""
        base = ObjectPath.parse(path)
        payload = encode([Record(base, value)], int(ContentFormat.TLV), base, self._catalogue)
        await self._ask(Message(code=Code.PUT, payload=payload, content_format=int(ContentFormat.TLV)), base)

    async def execute(self, path: str) -> None:
        """Execute a resource; raises Away."""
        await self._ask(Message(code=Code.POST), ObjectPath.parse(path))

    @property
    def _endpoint(self) -> CoapEndpoint:
        if self._coap is None:
            raise Away("the server is not started")
        return self._coap

    async def _ask(self, message: Message, path: ObjectPath, accept: int | None = None) -> Message:
        if self._device is None:
            raise Away("no device is registered")
        message.remote = self._device
        message.opt.uri_path = tuple(map(str, path.segments))
        message.opt.accept = accept
        try:
            response = await self._endpoint.request(message, timeout=self._patience)
        except CoapError as error:
            raise Away(error.message) from error
        if not response.code.is_successful():
            raise Away(f"{path} was answered with {response.code}")
        return response

    def _register(self, request: FastRequest) -> FastResponse:
        if len(request.path) > 1:
            return FastResponse(Code.CHANGED)
        self._device = request.remote
        self.registrations += 1
        self._registered.set()
        return FastResponse(Code.CREATED, location_path=("rd", str(self.registrations)))

    def _package(self, request: FastRequest) -> FastResponse:
        package = self.packages.get(request.path[-1])
        if package is None:
            return FastResponse(Code.NOT_FOUND)
        return FastResponse(Code.CONTENT, package, content_format=int(ContentFormat.OPAQUE), etag=_ETAG)

    async def __aenter__(self) -> Self:
        handlers = FastHandlers()
        handlers.add(Code.POST, "rd", self._register)
        handlers.add(Code.DELETE, "rd", lambda request: FastResponse(Code.DELETED))
        handlers.add(Code.POST, "dp", lambda request: FastResponse(Code.CHANGED))
        handlers.add(Code.GET, "packages", self._package)
        self._coap = await CoapEndpoint.bind("127.0.0.1", 0, fast_handlers=handlers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._endpoint.close()
