"""What one device has spent, item by item, from what was counted of it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.energy.power import ProcessorPower, RadioPower
from lwm2m_ml_simulator.network.radio import Radio

CYCLES_PER_HASHED_BYTE = 40.0
"""SHA-256 in software on a Cortex-M or RV32. Nearly all that goes into flash are packages, hashed as they arrive."""
JOULES_PER_ERASED_BLOCK = 0.085 * 0.015
"""An erase of NOR flash: 85 ms at 5 mA and 3 V."""
JOULES_PER_PROGRAMMED_BYTE = 10e-6 * 0.015
"""A word of four bytes takes 41 µs at the same power."""


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules by what they were spent on."""

    transmitting: float = 0.0
    receiving: float = 0.0
    listening: float = 0.0
    sleeping: float = 0.0
    inferring: float = 0.0
    updating: float = 0.0
    flash: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(getattr(self, item.name) for item in fields(self)))

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def __sub__(self, other: "Energy") -> "Energy":
        return Energy(*(getattr(self, item.name) - getattr(other, item.name) for item in fields(self)))


def radio_energy(power: RadioPower, radio: Radio, elapsed: float) -> Energy:
    """Return what a radio has spent in `elapsed` seconds."""
    figures, on = radio.figures, radio.seconds_on
    transmitting = power.transmit_seconds(figures.bytes_out, figures.datagrams_out)
    receiving = power.receive_seconds(figures.bytes_in, figures.datagrams_in)
    return Energy(
        transmitting=transmitting * power.transmit_watts,
        receiving=receiving * power.receive_watts,
        listening=max(0.0, on - transmitting - receiving) * power.listen_watts,
        sleeping=max(0.0, elapsed - on) * power.sleep_watts,
    )


def device_energy(device: SimulatedDevice) -> Energy:
    """Return what processor and flash of a device have spent since it was made."""
    profile = device.profile
    cycle = ProcessorPower.of(profile.target, profile.clock_hz, profile.active_power_watts).joules_per_cycle
    return Energy(
        inferring=device.inferences.instructions * cycle,
        updating=device.flash.bytes_programmed * CYCLES_PER_HASHED_BYTE * cycle,
        flash=device.flash.wear.total() * JOULES_PER_ERASED_BLOCK
        + device.flash.bytes_programmed * JOULES_PER_PROGRAMMED_BYTE,
    )


def total_energy(parts: Iterable[Energy]) -> Energy:
    """Return the sum."""
    return sum(parts, Energy())
