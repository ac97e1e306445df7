"""Always-on detector on a microcontroller → larger model on the gateway in front of it (object 25).

Both sensors get their model at the bench, from the server itself, and are then mounted behind the gateway. One passes
on what its detector calls an anomaly, the other one every window; what both send is measured. The gateway's model is
linked to what the first one passes on.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.configurations import ConfigurationChange, ModelConfiguration, Wire
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.model_wiring import name_of
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.demonstration.cascades.installation import deploy, profile, until, wired
from lwm2m_ml_simulator.demonstration.cascades.measured import Measurement, decided
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.energy.power import RadioPower
from lwm2m_ml_simulator.gateway.end_device import EndDevice
from lwm2m_ml_simulator.gateway.gateway import Gateway
from lwm2m_ml_simulator.inputs.stream import SensorStream
from lwm2m_ml_simulator.inputs.vibration import Vibration
from lwm2m_ml_simulator.memory.flash import Flash
from lwm2m_ml_simulator.objects.binary_app_data import BinaryAppData

MODEL = "vibration"
GATEWAY, GATEWAY_TARGET, GATEWAY_SLOT = "gateway", "imxrt1062", 262_144
SENSORS, SENSOR_TARGET, SENSOR_SLOT = ("detector", "raw"), "nrf52840", 12_288
DATA = "</19/7/0>"
SCORES, ANOMALY = "probabilities", 1


@dataclass(frozen=True, slots=True)
class GatewayFigures:
    """Windows of the detector, anomalies in them, and what was passed on and sent; energies in joules."""

    variants: tuple[str, str]
    windows: int
    anomalies: int
    passed_on: int
    found: int
    confirmed: int
    bytes_sent: float
    bytes_raw: float
    joules: float
    joules_raw: float


async def run(
    client: AsyncClient, coap: str, anchor: VerificationKey, radio: RadioPower, windows: int
) -> GatewayFigures:
    """Install, mount, wire, and let the machine run for so many windows."""
    behind: dict[str, EndDevice] = {}
    async with AsyncExitStack() as stack:
        own = SensorStream(Vibration(), seed=3)
        profile_of = profile(GATEWAY, GATEWAY_TARGET, slot_bytes=GATEWAY_SLOT)
        gateway = SimulatedDevice(profile_of, coap, own, [anchor], behind=behind)
        await stack.enter_async_context(gateway)
        opened = await stack.enter_async_context(Gateway(gateway, behind, Catalogue.shipped()))
        flashes = await _at_the_bench(client, coap, anchor)
        streams = {name: SensorStream(Vibration(), seed=12) for name in SENSORS}  # what they see once they are mounted
        sensors = {
            name: SimulatedDevice(_sensor(name), opened.uri, streams[name], [anchor], flash=flashes[name])
            for name in SENSORS
        }
        for name, device in sensors.items():
            await stack.enter_async_context(device)
            await until(f"{name} behind the gateway", partial(_knows, behind, name))
        prefixes = {one.device_id: prefix for prefix, one in behind.items()}
        for name in SENSORS:
            change = partial(_passes_on, only_anomalies=name == SENSORS[0])
            await wired(client, GATEWAY, MODEL, change, behind=prefixes[name])
        for name in SENSORS:
            await until(f"data of {name}", partial(_has_data, behind[prefixes[name]]))
        link = f"</{prefixes[SENSORS[0]]}{DATA.strip('<>')}>"
        await wired(
            client,
            GATEWAY,
            MODEL,
            lambda now: ConfigurationChange(inputs=[Wire(label=now.inputs[0].label, link=link)]),
        )
        return await _measured(gateway, sensors, streams, radio, windows)


async def _at_the_bench(client: AsyncClient, coap: str, anchor: VerificationKey) -> dict[str, Flash]:
    """Give all devices the model while they are registered with the server itself; returns the sensors' flash."""
    async with AsyncExitStack() as bench:
        devices = {
            name: SimulatedDevice(_sensor(name), coap, SensorStream(Vibration(), seed=11), [anchor]) for name in SENSORS
        }
        for device in devices.values():
            await bench.enter_async_context(device)
        await deploy(client, MODEL, [*SENSORS, GATEWAY])
    return {name: device.flash for name, device in devices.items()}


async def _measured(
    gateway: SimulatedDevice,
    sensors: dict[str, SimulatedDevice],
    streams: dict[str, SensorStream],
    radio: RadioPower,
    windows: int,
) -> GatewayFigures:
    detector, raw = (sensors[name] for name in SENSORS)
    await asyncio.sleep(0.5)  # the gateway has looked at what was passed on before
    of_detector, of_raw, of_gateway = Measurement(detector), Measurement(raw), Measurement(gateway)
    while min(len(of_detector.inferences), len(of_raw.inferences)) < windows:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0.1)
    made, sent, all_sent = of_detector.inferences, of_detector.sent, of_raw.sent
    scale = len(made) / len(of_raw.inferences)
    truths = [streams[SENSORS[0]].shown[record.index] for record in made]
    flagged = [decided(record) == ANOMALY for record in made]
    return GatewayFigures(
        variants=(_variant(detector), _variant(gateway)),
        windows=len(made),
        anomalies=sum(map(bool, truths)),
        passed_on=sum(flagged),
        found=sum(flag and bool(truth) for flag, truth in zip(flagged, truths, strict=True)),
        confirmed=sum(decided(record) == ANOMALY for record in of_gateway.inferences),
        bytes_sent=sent.bytes_out,
        bytes_raw=all_sent.bytes_out * scale,
        joules=sent.joules(radio) + of_detector.joules(sum(record.instructions for record in made)),
        joules_raw=all_sent.joules(radio) * scale,
    )


def _sensor(name: str) -> DeviceProfile:
    return profile(name, SENSOR_TARGET, slot_bytes=SENSOR_SLOT)


def _passes_on(now: ModelConfiguration, *, only_anomalies: bool) -> ConfigurationChange:
    """Let a model pass its input on, and make no results of its own."""
    transform = f"if(position({name_of(SCORES)}) == {ANOMALY}, value, 0 / 0)" if only_anomalies else ""
    return ConfigurationChange(outputs=[Wire(label=now.inputs[0].label, link=DATA, transform=transform)])


async def _knows(behind: dict[str, EndDevice], name: str) -> bool:
    return name in {one.device_id for one in behind.values()}


async def _has_data(device: EndDevice) -> bool:
    return bool(device.tree.instances(BinaryAppData.object_id))


def _variant(device: SimulatedDevice) -> str:
    module = device.firmware.modules.in_use if device.firmware is not None else None
    return module.descriptor.variant if module is not None else ""
