"""One service and its devices on virtual time: deliveries over links with a latency, a bandwidth and losses."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.app import running
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.config import Settings
from lwm2m_ml.lwm2m.bootstrap import SecurityMode
from lwm2m_ml.lwm2m.firmware_update import DeliveryMethod
from lwm2m_ml.module.inspection import inspect_package
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.device_security import DeviceSecurity
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.modules.decoders import DecoderLimits
from lwm2m_ml_simulator.modules.fetching import FetchSettings
from lwm2m_ml_simulator.modules.intake import Phase
from lwm2m_ml_simulator.network.conditions import Conditions


@dataclass(frozen=True, slots=True)
class Board:
    """A kind of device: its microcontroller, and the link it hangs on. Blocks in bytes."""

    name: str
    target: str
    conditions: Conditions
    block_bytes: int


@dataclass(frozen=True, slots=True)
class Transport:
    """A way for the package."""

    name: str
    scheme: str = "coap"
    windowed: bool = False
    push: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one delivery took. Bytes of UDP payloads, or of TCP segments with their headers, in both directions.

    They are counted from fit to trial, all management included.

    Seconds are those from the first request of the device to its last block; for a push, those from the first block
    until the server has seen that the device has it.
    """

    package_bytes: int
    head_bytes: int
    encoding: str
    air_bytes: int
    seconds: float
    state: str
    reason: str


class Scene:
    """A service, and the devices that were switched on."""

    def __init__(self, service: TinyMLService, server: Any, uris: dict[str, str], fleet: AsyncExitStack) -> None:
        self.service = service
        self._server = server
        self._uris = uris
        self._fleet = fleet
        self._devices: dict[str, SimulatedDevice] = {}

    async def join(
        self, endpoint: str, board: Board, transport: Transport, input_shape: tuple[int, ...], *, seed: int = 0
    ) -> None:
        """Switch a device on and wait until it is registered."""
        security = DeviceSecurity()
        if transport.scheme == "coaps":
            issued = await self._server.credentials.add(endpoint, CredentialKind.PSK)
            secret = issued.secret
            security = DeviceSecurity(
                SecurityMode.PRE_SHARED_KEY, secret["identity"].encode(), bytes.fromhex(secret["key"])
            )
        profile = DeviceProfile(
            endpoint=endpoint,
            target=load_target(board.target),
            ram_bytes=262_144,
            working_memory_bytes=65_536,
            slot_bytes=98_304,
            clock_hz=64e6,
            inference_period_ms=10_000,
            trial_period=3_600,
            delivery=DeliveryObject.FIRMWARE_UPDATE if transport.push else DeliveryObject.SOFTWARE_MANAGEMENT,
            delivery_method=DeliveryMethod.PUSH if transport.push else DeliveryMethod.BOTH,
            fetch=FetchSettings(block_bytes=board.block_bytes, attempts=20, windowed=transport.windowed),
            decoders=DecoderLimits(memory_bytes=4_160, staging_bytes=98_304),
            conditions=board.conditions,
            security=security,
            seed=seed,
        )
        inputs = itertools.repeat(numpy.zeros(input_shape, dtype=numpy.float32))
        uri = self._uris[transport.scheme]
        anchor = VerificationKey.from_pem(self.service.trust_anchor)
        device = SimulatedDevice(profile, uri, inputs, [anchor])
        await self._fleet.enter_async_context(device)
        while not device.is_registered:  # noqa: ASYNC110 - virtual time, which nobody waits for
            await asyncio.sleep(0.5)
        self._devices[endpoint] = device

    async def leave(self, endpoint: str) -> None:
        """Switch a device off."""
        await self._devices.pop(endpoint).stop()

    async def deploy(self, model: str, endpoint: str) -> Delivered:
        """Bring the newest version of a model to one device."""
        figures = self._devices[endpoint].radio.figures
        before = figures.bytes_in + figures.bytes_out
        deployment = await self.service.deploy(model, [endpoint])
        watch = asyncio.create_task(_transfer_seconds(self._devices[endpoint]))
        after = before
        while not deployment.campaign.finished:
            await asyncio.sleep(0.5)
            deployment = await self.service.campaigns.get(deployment.campaign.id)
            if deployment.devices[0].state == "delivering" or after == before:
                after = figures.bytes_in + figures.bytes_out
        watch.cancel()
        seconds = watch.result() if watch.done() and not watch.cancelled() else None
        row = deployment.devices[0]
        if row.module_digest is None:
            return Delivered(0, 0, "", 0, 0.0, row.state, row.reason)
        module = await self.service.modules.get(row.module_digest)
        package = await self.service.package(row.module_digest)
        return Delivered(
            package_bytes=module.package_bytes,
            head_bytes=inspect_package(package).head_size,
            encoding=module.facts["encoding"],
            air_bytes=after - before,
            seconds=seconds or row.ota_seconds or 0.0,
            state=row.state,
            reason=row.reason,
        )


@asynccontextmanager
async def scene(directory: Path) -> AsyncIterator[Scene]:
    """Run a service for devices with and without DTLS."""
    settings = Settings(
        data_directory=directory,
        coap_host="127.0.0.1",
        coap_port=0,
        coaps_port=0,
        coap_tcp_port=0,
        api_port=0,
        insecure=True,
        compile_workers=1,
    )
    async with running(settings) as (where, http, _):
        state = http.config.app.state
        async with AsyncExitStack() as fleet:
            yield Scene(state.service, state.lwm2m_server, dict(where.uris), fleet)


async def _transfer_seconds(device: SimulatedDevice) -> float:
    """From when a device begins to fetch until it has the whole package."""
    began = None
    while True:
        intakes = device.firmware.intakes if device.firmware is not None else []
        fetching = any(intake.phase is Phase.DOWNLOADING for intake in intakes)
        now = asyncio.get_running_loop().time()
        if began is None and fetching:
            began = now
        elif began is not None and not fetching:
            return now - began
        await asyncio.sleep(0.02)
