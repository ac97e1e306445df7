"""How a float model is quantised: what the user chose, and which layers are not plain int8."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lwm2m_ml.compiler.quantize.calibration import MeanSquaredError, MinimumMaximum, Observer, Percentile
from lwm2m_ml.errors import UsageError

OBSERVERS: Mapping[str, Observer] = {
    "minmax": MinimumMaximum(),
    "percentile": Percentile(),
    "mse": MeanSquaredError(),
}


class Precision(Enum):
    """What a layer computes in, from coarse to fine."""

    INT4 = "int4"
    """Weights of 4 bits, activations of 8."""
    INT8 = "int8"
    INT16 = "int16x8"
    """A result of 16 bits, weights of 8."""
    FLOAT32 = "float32"


def precision_of(name: str) -> Precision:
    """The precision of a name; raises UsageError."""
    if name not in {precision.value for precision in Precision}:
        choices = ", ".join(precision.value for precision in Precision)
        raise UsageError(f"Unknown precision {name!r}", hint=f"Choose {choices}")
    return Precision(name)


@dataclass(frozen=True, slots=True)
class QuantizationSettings:
    """`precisions` names the layers, by their result, that differ from `precision`."""

    precision: Precision = Precision.INT8
    observer: str = "minmax"
    bias_correction: bool = False
    equalization: bool = False
    precisions: Mapping[str, Precision] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.observer not in OBSERVERS:
            raise UsageError(f"Unknown observer {self.observer!r}", hint=f"Choose {', '.join(OBSERVERS)}")

    def of(self, result: str) -> Precision:
        """The precision of the operation with this result."""
        return self.precisions.get(result, self.precision)
