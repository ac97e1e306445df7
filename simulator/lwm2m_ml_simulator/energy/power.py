"""What radios and processors draw, in watts, each with the source of its figures."""

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml_simulator.errors import InvalidFleet

FOLDER = "radios"
Positive = Annotated[float, Field(gt=0)]


class RadioPower(BaseModel):
    """One radio: watts, rates in bits per second, and how a datagram becomes frames, in bytes.

    `latency` is that of one way in seconds, typical for this network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    source: str
    transmit_watts: Positive
    receive_watts: Positive
    listen_watts: Positive
    sleep_watts: Annotated[float, Field(ge=0)]
    transmit_bits_per_second: Positive
    receive_bits_per_second: Positive
    latency: Annotated[float, Field(ge=0)]
    datagram_overhead: Annotated[int, Field(ge=0)]
    frame_payload: Annotated[int, Field(gt=0)]
    frame_overhead: Annotated[int, Field(ge=0)]

    def bytes_on_air(self, payload_bytes: float, datagrams: float) -> float:
        """Return what so many UDP payload bytes in so many datagrams of equal size are on the air."""
        if not datagrams:
            return 0.0
        each = payload_bytes / datagrams + self.datagram_overhead
        frames = -(-each // self.frame_payload)
        return datagrams * (each + frames * self.frame_overhead)

    def transmit_seconds(self, payload_bytes: float, datagrams: float) -> float:
        """Return how long the transmitter is on."""
        return self.bytes_on_air(payload_bytes, datagrams) * 8 / self.transmit_bits_per_second

    def receive_seconds(self, payload_bytes: float, datagrams: float) -> float:
        """Return how long something is received."""
        return self.bytes_on_air(payload_bytes, datagrams) * 8 / self.receive_bits_per_second


def radio_names() -> tuple[str, ...]:
    """Return the radios that are shipped."""
    files = (resources.files(__package__) / FOLDER).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_radio(name: str) -> RadioPower:
    """Return a radio; raises InvalidFleet that names those there are."""
    if name not in radio_names():
        raise InvalidFleet(f"There is no radio {name!r}", hint=f"There are: {', '.join(radio_names())}")
    text = (resources.files(__package__) / FOLDER / f"{name}.toml").read_text("utf-8")
    return RadioPower.model_validate(tomllib.loads(text))


ASSUMED_WATTS_PER_HERTZ = 100e-6 * 3.0 / 1e6
"""Where no source was read: 100 µA per MHz at 3 V, as microcontrollers of the last decade are about."""


@dataclass(frozen=True, slots=True)
class ProcessorPower:
    """Joules per cycle; `source` says whose figure that is."""

    joules_per_cycle: float
    source: str

    @classmethod
    def of(cls, target: Target, clock_hz: float, active_watts: float | None = None) -> "ProcessorPower":
        """Return the power of a target: what the caller knows, else what its file says, else an assumption."""
        if active_watts is not None:
            return cls(active_watts / clock_hz, "scenario")
        if target.power is not None and target.clock_hz:
            return cls(target.power.active_watts / target.clock_hz, target.power.source)
        return cls(ASSUMED_WATTS_PER_HERTZ, "assumed: 100 µA/MHz at 3 V")
