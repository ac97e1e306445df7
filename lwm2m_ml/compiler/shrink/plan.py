"""What a search for smaller models is to try, and the steps that it comes to."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum

from lwm2m_ml.compiler.datasets import Dataset
from lwm2m_ml.compiler.errors import CalibrationError
from lwm2m_ml.compiler.quantize.settings import Precision
from lwm2m_ml.errors import UsageError

_SMALLEST_PART = 10


class Strategy(Enum):
    """Which channels go."""

    WHOLE = "whole"
    """None."""
    UNIFORM = "uniform"
    """The same share of every layer: a narrower net."""
    SENSITIVE = "sensitive"
    """Those that cost least accuracy, layer by layer."""


@dataclass(frozen=True, slots=True)
class Width:
    """One way to prune: the share of the weights that stays, in per cent."""

    percent: int
    strategy: Strategy

    @property
    def name(self) -> str:
        """A short name, which is part of the variants' names."""
        return f"{self.percent}{'' if self.strategy is Strategy.WHOLE else self.strategy.value[0]}"


@dataclass(frozen=True, slots=True)
class ShrinkPlan:
    """`levels` are the shares of the weights that stay, in per cent; `clusters` 0 leaves weights as they are."""

    targets: tuple[str, ...]
    levels: tuple[int, ...] = (50, 25, 12)
    strategies: tuple[Strategy, ...] = (Strategy.SENSITIVE, Strategy.UNIFORM)
    precisions: tuple[Precision, ...] = (Precision.INT8, Precision.INT4)
    optimize: str = "size"
    epochs: int = 40
    shift: int = 0
    noise: float = 0.0
    clusters: int = 0
    trains: bool = True

    def __post_init__(self) -> None:
        if not self.targets or not self.precisions or any(not 0 < level < 100 for level in self.levels):
            raise UsageError("Nothing to search for", hint="Levels are per cent of the weights, from 1 to 99")

    @property
    def widths(self) -> tuple[Width, ...]:
        """The model as it is, then every level by every strategy."""
        pruned = (Width(level, strategy) for level in self.levels for strategy in self.strategies)
        return (Width(100, Strategy.WHOLE), *pruned)

    def digest(self, model: bytes, parts: Sequence[Dataset]) -> str:
        """Tells whether a search that was broken off is this one."""
        state = hashlib.sha256(model)
        facts = {**asdict(self), "strategies": [each.value for each in self.strategies]}
        facts["precisions"] = [each.value for each in self.precisions]
        state.update(json.dumps(facts, sort_keys=True).encode())
        for part in parts:
            state.update(part.samples.tobytes())
            state.update(b"" if part.labels is None else part.labels.tobytes())
        return state.hexdigest()


def split(data: Dataset, share: float = 0.25) -> tuple[Dataset, Dataset]:
    """Two parts of labelled samples, the second of about this share of every class; always the same."""
    import numpy  # noqa: PLC0415 - this module is read by the command line

    if data.labels is None or len(data) < _SMALLEST_PART:
        labelled = "with" if data.labels is not None else "without"
        raise CalibrationError(
            f"{len(data)} samples {labelled} labels are not enough to shrink by",
            hint="Give labelled samples: an array or a column named labels, or a folder for each class",
        )
    generator = numpy.random.default_rng(len(data))
    second = numpy.zeros(len(data), bool)
    for label in numpy.unique(data.labels):
        places = numpy.flatnonzero(data.labels == label)
        second[generator.permutation(places)[: round(len(places) * share)]] = True
    parts = (Dataset(data.samples[mask], data.labels[mask], data.classes) for mask in (~second, second))
    first, rest = parts
    return first, rest
