"""The wrists of this story: devices that see gestures, whose true class is known here and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.inputs.gestures import Gestures
from lwm2m_ml_simulator.inputs.stream import SensorStream

TARGET = "nrf52840"
RAM, WORKING_MEMORY, SLOT, CLOCK = 262_144, 131_072, 131_072, 64e6
INFERENCE_PERIOD_MS = 100


@dataclass(slots=True)
class Wrist:
    """One device, what it sees, and how far the server's list of its results was read."""

    device: SimulatedDevice
    stream: SensorStream
    places: dict[int, int] = field(default_factory=dict)
    """Where in the stream the input of each result number of the module in use was."""
    digest: bytes = b""
    seen: int = 0

    @property
    def endpoint(self) -> str:
        """The device's name."""
        return self.device.endpoint

    def true_class(self, number: int) -> int | None:
        """The class that the input of a result of the module in use really had; None when it is not known."""
        self._follow()
        place = self.places.get(number)
        return None if place is None else int(self.stream.shown[place])

    def _follow(self) -> None:
        """Take over what was inferred since the last time; another module counts its results from one again."""
        for record in self.device.inferences[self.seen :]:
            if record.module_digest != self.digest:
                self.digest, self.places = record.module_digest, {}
            self.places[len(self.places) + 1] = record.index
        self.seen = len(self.device.inferences)


@asynccontextmanager
async def wrists(count: int, coap: str, trust_anchor: bytes) -> AsyncIterator[list[Wrist]]:
    """Switch on so many devices while the block runs."""
    anchor = VerificationKey.from_pem(trust_anchor)
    async with AsyncExitStack() as stack:
        fleet = []
        for number in range(count):
            profile = DeviceProfile(
                endpoint=f"wrist-{number + 1}",
                target=load_target(TARGET),
                ram_bytes=RAM,
                working_memory_bytes=WORKING_MEMORY,
                slot_bytes=SLOT,
                clock_hz=CLOCK,
                inference_period_ms=INFERENCE_PERIOD_MS,
            )
            stream = SensorStream(Gestures(), seed=1_000 + number)
            device = SimulatedDevice(profile, coap, stream, [anchor])
            fleet.append(Wrist(await stack.enter_async_context(device), stream))
        yield fleet
