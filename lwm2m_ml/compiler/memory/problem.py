"""The planning problem: buffers with lifetimes, pairs that may overlap, and what no plan can go below."""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lwm2m_ml.errors import InvalidInputError

MAX_BUFFERS = 4_000
MAX_BYTES = 1 << 40
DEFAULT_ALIGNMENT = 16


class InvalidMemoryProblem(InvalidInputError):
    """The buffers or pairs to plan for contradict themselves."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A piece of the arena that is needed from step `first_use` to step `last_use`, both included."""

    name: str
    size: int
    first_use: int
    last_use: int
    alignment: int = DEFAULT_ALIGNMENT

    def meets(self, other: "Buffer") -> bool:
        """Tell whether both are needed at some step."""
        return self.first_use <= other.last_use and other.first_use <= self.last_use


@dataclass(frozen=True, slots=True)
class InPlace:
    """The step that reads `source` for the last time may write `result` over it.

    It walks forwards through both, so the result may start at or before the source: overlapping is harmless when
    `offset(result) + lead <= offset(source)`. The lead is how far, in bytes, writing may run ahead of reading.
    """

    source: str
    result: str
    lead: int = 0


@dataclass(frozen=True)
class Problem:
    """A checked set of buffers and in-place pairs, with what the planners ask of it again and again."""

    buffers: tuple[Buffer, ...]
    pairs: tuple[InPlace, ...] = ()
    _leads: dict[tuple[int, int], int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        _check_buffers(self.buffers)
        index = {buffer.name: number for number, buffer in enumerate(self.buffers)}
        for pair in self.pairs:
            _check_pair(pair, self.buffers, index)
            self._leads[index[pair.result], index[pair.source]] = pair.lead

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """For each buffer the numbers of those that it meets; empty buffers meet none."""
        return tuple(
            tuple(j for j, other in enumerate(self.buffers) if j != i and other.size and buffer.meets(other))
            if buffer.size
            else ()
            for i, buffer in enumerate(self.buffers)
        )

    def room_above(self, lower: int, upper: int) -> int:
        """How far above the start of `lower` the buffer `upper`, which starts no lower, must start."""
        size = self.buffers[lower].size
        lead = self._leads.get((lower, upper))
        return size if lead is None else min(lead, size)

    @cached_property
    def lower_bound(self) -> int:
        """Bytes that every plan needs: the largest sum of what lives at one step, less what in-place pairs can save."""
        largest = max((buffer.size for buffer in self.buffers), default=0)
        return max((largest, *self.demand.values()))

    @cached_property
    def grain(self) -> int:
        """All offsets are multiples of this."""
        return min((buffer.alignment for buffer in self.buffers), default=1)

    def rounded(self, size: int) -> int:
        """What a size becomes when another buffer lies on top of it."""
        return -(-size // self.grain) * self.grain

    @cached_property
    def demand(self) -> dict[int, int]:
        """For every step the bytes without which it cannot do.

        That is the sum of what lives at it, rounded up to the grain except for the one on top, less the most that
        in-place results of that step can save.
        """
        begins: defaultdict[int, list[Buffer]] = defaultdict(list)
        ends: defaultdict[int, list[Buffer]] = defaultdict(list)
        for buffer in self.buffers:
            begins[buffer.first_use].append(buffer)
            ends[buffer.last_use + 1].append(buffer)
        demand: dict[int, int] = {}
        live = 0
        slacks: list[int] = []
        for step in sorted(begins.keys() | ends.keys()):
            for buffer in begins[step]:
                live += self.rounded(buffer.size)
                insort(slacks, self.rounded(buffer.size) - buffer.size)
            for buffer in ends[step]:
                live -= self.rounded(buffer.size)
                slacks.pop(bisect_left(slacks, self.rounded(buffer.size) - buffer.size))
            demand[step] = live - max(slacks, default=0)
        for result, saved in self._savings().items():
            step = self.buffers[result].first_use
            demand[step] = max(0, demand[step] - saved)
        return demand

    def _savings(self) -> dict[int, int]:
        """For every result of a pair the most bytes that writing it over its sources can save."""
        saved: defaultdict[int, int] = defaultdict(int)
        for (result, source), lead in self._leads.items():
            size = self.rounded(self.buffers[result].size)
            saved[result] += max(0, min(size - self.rounded(lead), self.rounded(self.buffers[source].size)))
        return {result: min(self.rounded(self.buffers[result].size), total) for result, total in saved.items()}


def problem(buffers: Iterable[Buffer], in_place: Iterable[InPlace] = ()) -> Problem:
    """Check and prepare a planning problem; raises `InvalidMemoryProblem`."""
    return Problem(tuple(buffers), tuple(in_place))


def _check_buffers(buffers: Sequence[Buffer]) -> None:
    if len(buffers) > MAX_BUFFERS:
        raise InvalidMemoryProblem(f"{len(buffers)} buffers to plan, at most {MAX_BUFFERS} are possible")
    if len({buffer.name for buffer in buffers}) != len(buffers):
        raise InvalidMemoryProblem("Two buffers to plan have the same name")
    for buffer in buffers:
        if not 0 <= buffer.size <= MAX_BYTES or buffer.first_use > buffer.last_use:
            raise InvalidMemoryProblem(f"Buffer {buffer.name!r} has an impossible size or lifetime")
        if buffer.alignment < 1 or buffer.alignment & (buffer.alignment - 1):
            raise InvalidMemoryProblem(f"Buffer {buffer.name!r} has alignment {buffer.alignment}, no power of two")


def _check_pair(pair: InPlace, buffers: Sequence[Buffer], index: dict[str, int]) -> None:
    if pair.source not in index or pair.result not in index or pair.source == pair.result or pair.lead < 0:
        raise InvalidMemoryProblem(f"In-place pair {pair.source!r} → {pair.result!r} makes no sense")
    source, result = buffers[index[pair.source]], buffers[index[pair.result]]
    if source.last_use != result.first_use or source.first_use >= result.first_use:
        raise InvalidMemoryProblem(
            f"{pair.result!r} cannot be written over {pair.source!r}: its first step must be the other's last"
        )
