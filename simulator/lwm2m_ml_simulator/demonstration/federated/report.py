"""The tables at the end: what training and inference take, and averaging beside the parameter server."""

from collections.abc import Mapping, Sequence
from typing import Any

from lwm2m_ml_simulator.demonstration.federated.costs import RADIOS, ModuleCosts
from lwm2m_ml_simulator.demonstration.federated.fleet import CLOCKS
from lwm2m_ml_simulator.demonstration.federated.story import Learnt

Row = Sequence[str]


def memory_table(modules: Sequence[ModuleCosts], central: Mapping[str, Any]) -> str:
    """RAM, ROM and instructions, of training and of inference, on each target and with TensorFlow on this host."""
    head = ("", "RAM training", "RAM inference", "ROM training", "ROM inference", "training", "inference")
    rows: list[Row] = [
        (
            module.target,
            f"{module.learning['ram_bytes'] + module.buffers:,} B",
            f"{module.plain['ram_bytes']:,} B",
            f"{module.learning['flash_bytes']:,} B",
            f"{module.plain['flash_bytes']:,} B",
            f"{module.learning['learning']['step_instructions']:,}",
            f"{module.plain['instructions']:,}",
        )
        for module in modules
    ]
    peak = [f"{central[name]['peak_bytes']:,} B" for name in ("training", "inference")]
    rows.append(("TensorFlow, host", *peak, "–", "–", "–", "–"))
    return _table(head, rows)


def round_table(learnt: Sequence[Learnt]) -> str:
    """What one device spends in one round."""
    head = ("", "target", "down B", "up B", "instructions", "CPU s", "CPU J", *(f"{name} J" for name in RADIOS))
    rows = [
        (
            one.name,
            target,
            f"{costs.bytes_down:,.0f}",
            f"{costs.bytes_up:,.0f}",
            f"{costs.instructions / 1e6:,.2f} M",
            f"{costs.instructions / CLOCKS[target]:.2f}",
            f"{costs.joules:.4f}",
            *(f"{one.radio.joules[name]:.4f}" for name in RADIOS),
        )
        for one in learnt
        for target, costs in one.devices.items()
    ]
    return _table(head, rows)


def accuracy_table(learnt: Sequence[Learnt], central: float, target: float) -> str:
    """How good the parameters were, round by round."""
    numbers = sorted(learnt[0].accuracy)
    rows = [
        (
            one.name,
            *(f"{100 * one.accuracy[number]:.1f}" for number in numbers),
            str(one.reached(target) or "not reached"),
        )
        for one in learnt
    ]
    head = ("", *(str(number) for number in numbers), f"{100 * target:.1f} % from round")
    return _table(head, rows) + f"\n\nTensorFlow, all examples in one place: {100 * central:.1f} %"


def _table(head: Row, rows: Sequence[Row]) -> str:
    """A table in Markdown; numbers to the right."""
    marks = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *rows))
