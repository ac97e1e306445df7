"""Wake word → command, on one microcontroller: two models, the second runs only after the first heard its word.

The small one writes a countdown into a timer (3340/0/5538): 2 with the wake word, 1 with the window after it, 0 else.
The condition of the large one is that it stands at 1. Only the large one's results are sent.
"""

import asyncio
from dataclasses import dataclass

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.schemas.configurations import ConfigurationChange, Wire
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.demonstration.cascades.installation import deploy, profile, wired
from lwm2m_ml_simulator.demonstration.cascades.measured import Measurement, decided, raw_windows
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.energy.power import RadioPower
from lwm2m_ml_simulator.inputs.keywords import FIRST_COMMAND, WAKE, WINDOW, Keywords
from lwm2m_ml_simulator.inputs.stream import SensorStream
from lwm2m_ml_simulator.objects.data import DataTemplate

ENDPOINT, TARGET, SLOT_BYTES = "listener", "nrf52840", 65_536
WAKE_MODEL, COMMANDS_MODEL = "wake-word", "commands"
TIMER = "</3340/0/5538>"
COUNTDOWN = "if(position(value) == 1, 2, max(before - 1, 0))"


@dataclass(frozen=True, slots=True)
class WakeWordFigures:
    """Windows heard, wake words and commands in them, and what it took; energies in joules."""

    windows: int
    wakes: int
    heard: int
    right: int
    instructions: int
    instructions_without: float
    bytes_sent: float
    bytes_raw: float
    joules: float
    joules_raw: float


async def run(
    client: AsyncClient, coap: str, anchor: VerificationKey, radio: RadioPower, windows: int
) -> WakeWordFigures:
    """Install both models, wire them, and let them hear so many windows."""
    timer = DataTemplate(3340, values={5538: 0.0})
    stream = SensorStream(Keywords(), seed=7)
    device = SimulatedDevice(profile(ENDPOINT, TARGET, slot_bytes=SLOT_BYTES, objects=[timer]), coap, stream, [anchor])
    async with device:
        for model in (WAKE_MODEL, COMMANDS_MODEL):
            await deploy(client, model, [ENDPOINT])
        await wired(
            client,
            ENDPOINT,
            WAKE_MODEL,
            lambda now: ConfigurationChange(
                outputs=[Wire(label=now.outputs[0].label, link=TIMER, transform=COUNTDOWN)]
            ),
        )
        await wired(
            client,
            ENDPOINT,
            COMMANDS_MODEL,
            lambda now: ConfigurationChange(
                inputs=[now.inputs[0], Wire(label="listening", link=TIMER)], condition="listening == 1"
            ),
        )
        measurement, first = Measurement(device), len(stream.shown)
        while len(stream.shown) < first + windows:  # noqa: ASYNC110 - the device tells nobody of what it hears
            await asyncio.sleep(0.1)
        return _figures(device, stream, measurement, radio)


def _figures(
    device: SimulatedDevice, stream: SensorStream, measurement: Measurement, radio: RadioPower
) -> WakeWordFigures:
    firmware = device.firmware
    running = firmware.modules.running if firmware is not None else ()
    digests = {module.descriptor.model_name: module.digest for module in running}
    made = measurement.inferences
    small = [record for record in made if record.module_digest == digests[WAKE_MODEL]]
    large = [record for record in made if record.module_digest == digests[COMMANDS_MODEL]]
    truths = {record.index: int(stream.shown[record.index]) for record in made}
    of_large = sum(record.instructions for record in large)
    of_small = sum(record.instructions for record in small)
    sent, raw = measurement.sent, raw_windows(len(small), WINDOW)
    return WakeWordFigures(
        windows=len(small),
        wakes=sum(truth == WAKE for truth in truths.values()),
        heard=len(large),
        right=sum(decided(one) == max(0, truths[one.index] - FIRST_COMMAND + 1) for one in large),
        instructions=of_small + of_large,
        instructions_without=of_large / max(1, len(large)) * len(small),
        bytes_sent=sent.bytes_out,
        bytes_raw=raw.bytes_out,
        joules=sent.joules(radio) + measurement.joules(of_small + of_large),
        joules_raw=raw.joules(radio),
    )
