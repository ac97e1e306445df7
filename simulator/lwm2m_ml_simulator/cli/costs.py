"""The energy comparison on the screen."""

from dataclasses import dataclass
from typing import Any

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import UsageError
from lwm2m_ml_simulator.cli.output import print_table
from lwm2m_ml_simulator.energy.comparison import DELTA, FULL, Cost, compare, path_of
from lwm2m_ml_simulator.energy.power import ProcessorPower, RadioPower, load_radio, radio_names
from lwm2m_ml_simulator.network.conditions import Conditions

_DEFAULT_ERASE_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared and what came out."""

    radio: RadioPower
    processor: ProcessorPower
    conditions: Conditions
    runs: int
    costs: list[Cost]


def compared(full: int, delta: int | None, target: str, radio: str, *, loss: float, runs: int) -> Comparison:
    """Compare; raises UsageError for an unknown target or radio."""
    mcu, power = load_target(target), load_radio(radio)
    if mcu.clock_hz is None:
        raise UsageError(f"{target} is a core, not a microcontroller", hint="`lwm2m-ml targets list` shows them")
    processor = ProcessorPower.of(mcu, mcu.clock_hz)
    conditions = path_of(power, loss)
    sizes = {FULL: full} | ({DELTA: delta} if delta is not None else {})
    costs = compare(
        sizes,
        power,
        processor,
        conditions,
        installed_bytes=full,
        erase_block_bytes=(mcu.storage and mcu.storage.erase_block) or _DEFAULT_ERASE_BLOCK,
        runs=runs,
    )
    return Comparison(power, processor, conditions, runs, costs)


def assumptions(comparison: Comparison) -> list[str]:
    """Return what the figures stand on, in sentences."""
    conditions = comparison.conditions
    return [
        f"Radio: {comparison.radio.source}.",
        f"Processor: {comparison.processor.joules_per_cycle * 1e9:.2f} nJ per cycle ({comparison.processor.source}).",
        f"Path: {conditions.latency * 1000:g} ms one way, {conditions.bandwidth or 0:,.0f} bit/s, "
        f"{conditions.loss:.0%} loss; the radio listens while nothing is on the air.",
        f"Measured with this project's CoAP, mean of {comparison.runs} runs; windowed is RFC 9177. "
        "When segments of TCP arrive is computed: a window of four of 1,024 B and the usual time-outs.",
    ]


def as_facts(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows as plain values."""
    return [_row(cost) for cost in comparison.costs]


def print_costs(comparison: Comparison) -> None:
    """Print the table and what it stands on."""
    rows = as_facts(comparison)
    print_table(tuple(rows[0]), (tuple(row.values()) for row in rows))
    print()
    for sentence in assumptions(comparison):
        print(sentence)


def print_radios() -> None:
    """Print each radio and where its figures come from."""
    found = {name: load_radio(name) for name in radio_names()}
    print_table(
        ("radio", "what", "TX mW", "RX mW", "sleep mW", "kbit/s up", "kbit/s down"),
        (
            (
                name,
                radio.title,
                radio.transmit_watts * 1e3,
                radio.receive_watts * 1e3,
                f"{radio.sleep_watts * 1e3:.3f}",
                radio.transmit_bits_per_second / 1e3,
                radio.receive_bits_per_second / 1e3,
            )
            for name, radio in found.items()
        ),
    )
    print()
    for name, radio in found.items():
        print(f"{name}: {radio.source}.")


def _row(cost: Cost) -> dict[str, Any]:
    carried, energy = cost.carried, cost.energy
    return {
        "package": cost.form,
        "by": str(carried.way),
        "B": carried.package_bytes,
        "s": round(carried.seconds, 2),
        "B up": round(carried.bytes_up),
        "B down": round(carried.bytes_down),
        "TX mJ": round(energy.transmitting * 1e3, 2),
        "RX mJ": round(energy.receiving * 1e3, 2),
        "listen mJ": round(energy.listening * 1e3, 2),
        "CPU mJ": round(energy.updating * 1e3, 2),
        "flash mJ": round(energy.flash * 1e3, 2),
        "mJ": round(energy.total * 1e3, 2),
    }
