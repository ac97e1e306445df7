"""What inputs and answers looked like when the model was made, for devices to compare (42771/x/8, 9 and 15)."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.module import fields

MAXIMUM_CHANNELS = 64
MAXIMUM_BINS = 64
_MEANS, _DEVIATIONS, _EDGES, _SHARES, _CLASS_SHARES = range(1, 6)
_KEYS = frozenset(range(1, 6))


@dataclass(frozen=True, slots=True)
class DriftReference:
    """Per channel of the first input: mean, standard deviation, bin edges and the share of values in each bin.

    n rising edges make n + 1 bins: below the first edge, from each edge to below the next, from the last edge on. All
    are of real values, before quantisation. `class_shares` says how often each class was the answer.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    edges: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    class_shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(self.means), len(self.deviations), len(self.edges), len(self.shares)}
        fields.require(len(lengths) == 1 and lengths <= set(range(1, MAXIMUM_CHANNELS + 1)), "Channels do not match")
        for edges, shares in zip(self.edges, self.shares, strict=True):
            fields.require(0 < len(edges) <= MAXIMUM_BINS, "A histogram needs at least one edge")
            fields.require(len(shares) == len(edges) + 1, "A histogram has one share more than edges")
            fields.require(all(one < two for one, two in itertools.pairwise(edges)), "Edges must rise")
        numbers = (*self.means, *self.deviations, *self.class_shares, *sum(self.edges + self.shares, ()))
        fields.require(all(math.isfinite(number) for number in numbers), "A number is not finite")

    def as_map(self) -> dict[int, object]:
        """Return the CBOR map."""
        return {
            _MEANS: _floats(self.means),
            _DEVIATIONS: _floats(self.deviations),
            _EDGES: [_floats(edges) for edges in self.edges],
            _SHARES: [_floats(shares) for shares in self.shares],
            _CLASS_SHARES: _floats(self.class_shares),
        }

    @classmethod
    def from_map(cls, value: Any) -> "DriftReference":
        """Read the CBOR map; raises InvalidDescriptorError."""
        entry = fields.MapReader(value, "The drift reference", _KEYS)
        return cls(
            means=fields.numbers(entry.items(_MEANS)),
            deviations=fields.numbers(entry.items(_DEVIATIONS)),
            edges=tuple(fields.numbers(edges) for edges in entry.items(_EDGES)),
            shares=tuple(fields.numbers(shares) for shares in entry.items(_SHARES)),
            class_shares=fields.numbers(entry.items(_CLASS_SHARES)),
        )


def _floats(values: Iterable[float]) -> list[float]:
    return [float(value) for value in values]
