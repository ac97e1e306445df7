"""A package's cost in joules at one device, by way and by form: the whole of it, or the delta against what runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lwm2m_ml_simulator.energy.account import (
    CYCLES_PER_HASHED_BYTE,
    JOULES_PER_ERASED_BLOCK,
    JOULES_PER_PROGRAMMED_BYTE,
    Energy,
)
from lwm2m_ml_simulator.energy.power import ProcessorPower, RadioPower
from lwm2m_ml_simulator.energy.transfers import DEFAULT_RUNS, Carried, Way, carry
from lwm2m_ml_simulator.network.conditions import Conditions

CYCLES_PER_SIGNATURE = 10e6
"""One Ed25519 or ES256 verification in compact software on a Cortex-M."""
CYCLES_PER_PATCHED_BYTE = 50.0
"""Unpacking a delta, per byte of what comes out."""
FULL, DELTA = "full", "delta"


@dataclass(frozen=True, slots=True)
class Cost:
    """One row of the comparison."""

    form: str
    carried: Carried
    energy: Energy


def path_of(radio: RadioPower, loss: float = 0.0) -> Conditions:
    """Return a path as this radio's network typically is."""
    return Conditions(latency=radio.latency, loss=loss, bandwidth=radio.receive_bits_per_second)


def compare(
    sizes: Mapping[str, int],
    radio: RadioPower,
    processor: ProcessorPower,
    conditions: Conditions,
    *,
    installed_bytes: int,
    erase_block_bytes: int,
    ways: Sequence[Way] = tuple(Way),
    runs: int = DEFAULT_RUNS,
) -> list[Cost]:
    """Carry packages of these sizes, by form, in all ways; `installed_bytes` is what the module has in flash."""
    return [
        Cost(
            form,
            carried,
            transfer_energy(carried, radio)
            + installation_energy(
                size, installed_bytes, processor, erase_block_bytes=erase_block_bytes, patched=form == DELTA
            ),
        )
        for form, size in sizes.items()
        for carried in (carry(way, size, conditions, runs=runs) for way in ways)
    ]


def transfer_energy(carried: Carried, radio: RadioPower) -> Energy:
    """Return what the radio spends while a package comes; it listens as long as nothing is on the air."""
    transmitting = radio.transmit_seconds(carried.bytes_up, carried.datagrams_up)
    receiving = radio.receive_seconds(carried.bytes_down, carried.datagrams_down)
    return Energy(
        transmitting=transmitting * radio.transmit_watts,
        receiving=receiving * radio.receive_watts,
        listening=max(0.0, carried.seconds - transmitting - receiving) * radio.listen_watts,
    )


def installation_energy(
    package_bytes: int,
    installed_bytes: int,
    processor: ProcessorPower,
    *,
    erase_block_bytes: int,
    patched: bool,
) -> Energy:
    """Return what it takes to check a package and write it; a delta is written, unpacked, and written again."""
    cycles = package_bytes * CYCLES_PER_HASHED_BYTE + CYCLES_PER_SIGNATURE
    written = package_bytes
    if patched:
        cycles += installed_bytes * (CYCLES_PER_PATCHED_BYTE + CYCLES_PER_HASHED_BYTE)
        written += installed_bytes
    blocks = -(-written // erase_block_bytes)
    return Energy(
        updating=cycles * processor.joules_per_cycle,
        flash=blocks * JOULES_PER_ERASED_BLOCK + written * JOULES_PER_PROGRAMMED_BYTE,
    )
