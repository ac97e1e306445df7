"""A scripted LwM2M server, which asks what a test tells it to ask, and small real modules to put on devices."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiocoap
import numpy
import pytest
import pytest_asyncio
from aiocoap import Code, Message
from aiocoap.numbers.codes import Code as CodeNumber

from lwm2m_ml.coap.dtls import OwnCertificate
from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.observation import Observation
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import compile_blob
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationParameters, parse_registration
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.package import build_package
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.modules.fetching import FetchSettings


@dataclass
class ScriptedServer:
    catalogue: Catalogue
    registrations: list[RegistrationParameters] = field(default_factory=list)
    updates: list[tuple[str, ...]] = field(default_factory=list)
    deregistered: int = 0
    sent: list[tuple[Record, ...]] = field(default_factory=list)
    packages: dict[str, bytes] = field(default_factory=dict)
    blocks_asked: list[int] = field(default_factory=list)
    knows_nobody: bool = False
    refuses: Callable[[FastRequest], FastResponse | None] = lambda request: None
    patience: float = 20.0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    device: Remote | None = None
    coap: CoapEndpoint | None = None
    device_certificate: OwnCertificate | None = None

    @property
    def uri(self) -> str:
        host, port = self.endpoint.local_address
        return f"coap://{host}:{port}"

    @property
    def endpoint(self) -> CoapEndpoint:
        assert self.coap is not None
        return self.coap

    def handlers(self) -> FastHandlers:
        handlers = FastHandlers()
        handlers.add(Code.POST, "rd", self._register)
        handlers.add(Code.DELETE, "rd", self._deregister)
        handlers.add(Code.POST, "dp", self._data)
        handlers.add(Code.GET, "packages", self._package)
        return handlers

    def package_uri(self, name: str) -> str:
        return f"{self.uri}/packages/{name}"

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(self.patience), self.changed:
            await self.changed.wait_for(condition)

    async def until_registered(self, times: int = 1) -> None:
        await self.until(lambda: len(self.registrations) >= times)

    async def poll(self, path: str, *wanted: Value) -> Value:
        """Read until the value is one of `wanted`; the device may be away meanwhile."""
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    value = await self.value(path)
                except (CoapError, AssertionError):
                    value = ""
                if value in wanted:
                    return value
                await asyncio.sleep(0.01)

    async def poll_any(self, path: str) -> Value:
        """Read until there is a value."""
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    return await self.value(path)
                except AssertionError:
                    await asyncio.sleep(0.01)

    async def ask(
        self,
        code: CodeNumber,
        path: str,
        payload: bytes = b"",
        *,
        content_format: int | None = None,
        accept: int | None = None,
        query: tuple[str, ...] = (),
    ) -> aiocoap.Message:
        message = self.message(code, path, payload, content_format=content_format, accept=accept, query=query)
        return await self.endpoint.request(message, timeout=self.patience)

    def message(
        self,
        code: CodeNumber,
        path: str,
        payload: bytes = b"",
        *,
        content_format: int | None = None,
        accept: int | None = None,
        query: tuple[str, ...] = (),
    ) -> aiocoap.Message:
        segments = tuple(segment for segment in path.split("/") if segment)
        message = Message(code=code, uri_path=segments, uri_query=query, payload=payload)
        if content_format is not None:
            message.opt.content_format = int(content_format)
        if accept is not None:
            message.opt.accept = int(accept)
        message.remote = self.device
        return message

    async def read(self, path: str, accept: int = ContentFormat.SENML_CBOR) -> dict[str, Value | None]:
        response = await self.ask(Code.GET, path, accept=accept)
        assert response.code is Code.CONTENT, (response.code, response.payload)
        records = decode(response.payload, response.opt.content_format, ObjectPath.parse(path), self.catalogue)
        return {str(record.path): record.value for record in records}

    async def value(self, path: str) -> Value:
        values = await self.read(path)
        value = values[path]
        assert value is not None
        return value

    async def write(self, path: str, value: Value) -> CodeNumber:
        base = ObjectPath.parse(path)
        payload = encode([Record(base, value)], int(ContentFormat.TLV), base, self.catalogue)
        return (await self.ask(Code.PUT, path, payload, content_format=ContentFormat.TLV)).code

    async def write_texts(self, path: str, *texts: str) -> tuple[CodeNumber, str]:
        """Write a multiple resource; returns the code, and what the device says to it."""
        base = ObjectPath.parse(path)
        records = [Record(base.child(index), text) for index, text in enumerate(texts)]
        payload = encode(records, int(ContentFormat.TLV), base, self.catalogue)
        answer = await self.ask(Code.PUT, path, payload, content_format=ContentFormat.TLV)
        return answer.code, answer.payload.decode()

    async def execute(self, path: str, arguments: str = "") -> CodeNumber:
        return (await self.ask(Code.POST, path, arguments.encode())).code

    async def observe(self, path: str, heard: list[bytes]) -> Observation:
        def hear(message: aiocoap.Message) -> None:
            heard.append(message.payload)
            self._tell()

        return await self.endpoint.observe(self.message(Code.GET, path, accept=ContentFormat.TEXT), hear)

    def _register(self, request: FastRequest) -> FastResponse:
        self.device = request.remote
        if len(request.path) > 1:
            if self.knows_nobody:
                self.knows_nobody = False
                return FastResponse(Code.NOT_FOUND)
            self.updates.append(request.query)
            self._tell()
            return FastResponse(Code.CHANGED)
        refusal = self.refuses(request)
        if refusal is not None:
            return refusal
        self.registrations.append(parse_registration(request.query, request.payload, request.content_format))
        self._tell()
        return FastResponse(Code.CREATED, location_path=("rd", str(len(self.registrations))))

    def _deregister(self, request: FastRequest) -> FastResponse:
        self.deregistered += 1
        self._tell()
        return FastResponse(Code.DELETED)

    def _data(self, request: FastRequest) -> FastResponse:
        assert request.content_format is not None
        self.sent.append(decode(request.payload, request.content_format, ROOT, self.catalogue))
        self._tell()
        return FastResponse(Code.CHANGED)

    def _package(self, request: FastRequest) -> FastResponse:
        package = self.packages.get(request.path[1])
        if package is None:
            return FastResponse(Code.NOT_FOUND)
        if request.block2 is not None:
            self.blocks_asked.append(request.block2.number)
        self._tell()
        return FastResponse(Code.CONTENT, package, content_format=42, etag=package[-8:])

    def _tell(self) -> None:
        async def notify() -> None:
            async with self.changed:
                self.changed.notify_all()

        self._telling = asyncio.ensure_future(notify())


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.shipped()


@pytest_asyncio.fixture
async def server(catalogue: Catalogue) -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer(catalogue)
    server.coap = await CoapEndpoint.bind("127.0.0.1", 0, fast_handlers=server.handlers())
    yield server
    await server.coap.close()


MODULE_SOURCE = """
#include <stdint.h>
/* Four int8 come in at 0, three scores go out at 16: each input plus the last one plus a bias. */
int32_t module_entry(void *arena) {
    const int8_t *in = arena;
    int8_t *out = (int8_t *)arena + 16;
    for (int i = 0; i < 3; i++) out[i] = (int8_t)(in[i] + in[3] + BIAS);
    return 0;
}
"""


def answer(values: list[int], bias: int) -> bytes:
    return bytes((values[i] + values[3] + bias) & 0xFF for i in range(3))


@dataclass(frozen=True)
class ModuleMaker:
    """Builds signed packages of a tiny real module for devices like `profile`."""

    key: SigningKey
    blobs: dict[tuple[str, int | str], bytes] = field(default_factory=dict)

    def payload(self, profile: DeviceProfile, bias: int | str) -> bytes:
        blob_key = (profile.target.name, bias)
        if blob_key not in self.blobs:
            source = MODULE_SOURCE.replace("BIAS", str(bias))
            self.blobs[blob_key] = compile_blob({"module.c": source}, profile.target, entry="module_entry").code
        return self.blobs[blob_key]

    def image(self, profile: DeviceProfile, bias: int | str = 0, filler: int = 1500) -> bytes:
        return self.payload(profile, bias) + bytes(range(256)) * (filler // 256) + bytes(filler % 256)

    def package(
        self,
        profile: DeviceProfile,
        sequence_number: int,
        *,
        bias: int | str = 0,
        filler: int = 1500,
        build: dict[str, Any] | None = None,
        **changes: Any,
    ) -> bytes:
        payload = self.image(profile, bias, filler)
        vector = [1, 2, 3, 4]
        facts: dict[str, Any] = {
            "model_id": bytes(16),
            "model_name": "sum",
            "model_version": f"1.{sequence_number}",
            "variant": "small",
            "target": profile.target.name,
            "flash_bytes": len(payload),
            "arena_bytes": 32,
            "stack_bytes": 256,
            "instructions": 100,
            "inputs": (TensorDescriptor("in", (4,), "int8", 1.0, 0, 0),),
            "outputs": (TensorDescriptor("out", (3,), "int8", 1 / 256, -128, 16),),
            "labels": ("low", "middle", "high"),
        }
        if isinstance(bias, int):  # else the expression's author knows the answer
            facts["vectors"] = ((bytes(vector), answer(vector, bias)),)
        manifest: dict[str, Any] = {
            "key": self.key,
            "vendor_id": profile.vendor_id,
            "class_id": profile.class_id,
            "component": (b"module",),
            "sequence_number": sequence_number,
        }
        return build_package(payload, Descriptor(**(facts | changes)), **(manifest | (build or {})))


@pytest.fixture(scope="session")
def modules() -> ModuleMaker:
    return ModuleMaker(SigningKey.generate())


@pytest.fixture
def profile() -> DeviceProfile:
    return make_profile()


def make_profile(**changes: Any) -> DeviceProfile:
    facts: dict[str, Any] = {
        "endpoint": "mcu",
        "target": load_target("cortex-m4f"),
        "ram_bytes": 65536,
        "working_memory_bytes": 32768,
        "slot_bytes": 8192,
        "clock_hz": 64e6,
        "inference_period_ms": 5,
        "outage": 0.05,
        "fetch": FetchSettings(block_bytes=512, attempts=3, pause=0.05, patience=2.0),
    }
    return DeviceProfile(**(facts | changes))


@pytest.fixture
def with_profile() -> Callable[..., DeviceProfile]:
    return make_profile


@pytest.fixture
def stream() -> list[Any]:
    return [numpy.array([index % 50, 20, -10, 3], dtype=numpy.float32) for index in range(2000)]


@pytest.fixture
def make_device(
    server: ScriptedServer, modules: ModuleMaker, stream: list[Any], catalogue: Catalogue
) -> Callable[..., SimulatedDevice]:
    def make(profile: DeviceProfile, **changes: Any) -> SimulatedDevice:
        anchors = [modules.key.verification_key]
        uri = changes.pop("server_uri", None) or server.uri
        return SimulatedDevice(profile, uri, stream, anchors, catalogue=catalogue, **changes)

    return make
