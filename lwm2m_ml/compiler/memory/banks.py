"""Plans over several banks of memory: what does not fit one of them is divided, whole buffers at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lwm2m_ml.compiler.memory.planner import MemoryPlan, plan
from lwm2m_ml.compiler.memory.problem import Buffer, InPlace

# Each try to put a buffer somewhere is a plan of its own; the last plans get more.
_TRIAL_NODES, _FINAL_NODES = 0, 5_000


@dataclass(frozen=True, slots=True)
class Bank:
    """What lies in one bank, and where from its start."""

    number: int
    plan: MemoryPlan


def plan_banks(
    buffers: Iterable[Buffer], sizes: Sequence[int], *, in_place: Iterable[InPlace] = ()
) -> tuple[Bank, ...] | None:
    """Divide buffers over banks of so many bytes, in the order in which the banks are given; None when they do not fit.

    The first bank that holds everything does. Else the largest buffers are placed first, each in the first bank that
    still has a plan with it. Results are written over operands where both came to lie in the same bank.
    """
    given, pairs = tuple(buffers), tuple(in_place)
    whole = plan(given, in_place=pairs)
    for number, size in enumerate(sizes):
        if whole.arena_bytes <= size:
            return (Bank(number, whole),)
    shares = _shares(given, pairs, sizes)
    if shares is None:
        return None
    banks = (Bank(number, _plan(share, pairs, _FINAL_NODES)) for number, share in enumerate(shares) if share)
    return tuple(banks)


def _shares(
    buffers: Sequence[Buffer], pairs: Sequence[InPlace], sizes: Sequence[int]
) -> tuple[list[Buffer], ...] | None:
    shares: tuple[list[Buffer], ...] = tuple([] for _ in sizes)
    for buffer in sorted(buffers, key=lambda buffer: (-buffer.size, buffer.first_use, buffer.name)):
        for share, size in zip(shares, sizes, strict=True):
            if _plan([*share, buffer], pairs, _TRIAL_NODES).arena_bytes <= size:
                share.append(buffer)
                break
        else:
            return None
    return shares


def _plan(share: Sequence[Buffer], pairs: Sequence[InPlace], nodes: int) -> MemoryPlan:
    names = {buffer.name for buffer in share}
    together = [pair for pair in pairs if pair.source in names and pair.result in names]
    return plan(share, in_place=together, node_budget=nodes)
