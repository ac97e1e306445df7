"""A tensor of the graph: a name, a shape, a type, and its values when they are known."""

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lwm2m_ml.compiler.ir.data_type import DataType
from lwm2m_ml.compiler.ir.quantization import Quantization

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of a tensor. `data` holds the values of a constant, None for what is computed or given."""

    name: str
    shape: tuple[int, ...]
    dtype: DataType
    quantization: Quantization | None = None
    data: Array | None = field(default=None, compare=False, repr=False)

    @property
    def elements(self) -> int:
        """How many elements the shape holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes the elements take."""
        return self.elements * self.dtype.bytes

    @property
    def is_constant(self) -> bool:
        """Whether the values are part of the model."""
        return self.data is not None

    @property
    def values(self) -> Array:
        """The values of a constant."""
        if self.data is None:
            raise ValueError(f"{self.name} is not a constant")
        return self.data
