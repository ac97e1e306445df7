"""A variant that a search made, and what was measured of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.shrink.pareto import pareto_front


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What a module takes on one target, packed with zstd, too; instructions are None where nothing counts them."""

    flash_bytes: int
    ram_bytes: int
    instructions: int | None
    packed_bytes: int


@dataclass(frozen=True, slots=True)
class Variant:
    """Accuracies are in per cent, on samples that nothing was trained with."""

    name: str
    width: str
    precision: str
    weights: int
    macs: int
    float_accuracy: float
    accuracy: float
    sha256: str
    targets: Mapping[str, TargetFacts]


def front(variants: list[Variant], target: str) -> list[Variant]:
    """The variants of which none is at least as accurate and smaller in flash on a target."""
    return pareto_front(variants, lambda each: (each.targets[target].flash_bytes, -each.accuracy))
