"""How a module's inputs and outputs lie in its arena."""

import math
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.module import fields

DATA_TYPES: dict[str, tuple[int, int]] = {
    # name: (code in the descriptor, bytes of one element)
    "float32": (0, 4),
    "float16": (1, 2),
    "int8": (2, 1),
    "uint8": (3, 1),
    "int16": (4, 2),
    "int32": (5, 4),
}
_NAME_OF_CODE = {code: name for name, (code, _) in DATA_TYPES.items()}
_NAME, _TYPE, _SHAPE, _OFFSET, _SCALE, _ZERO_POINT, _UNIT, _PREPROCESSING = range(1, 9)
_KEYS = frozenset(range(1, 9))
MAXIMUM_DIMENSIONS = 8
MAXIMUM_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class TensorDescriptor:
    """One input or output: real value = scale × (integer − zero point).

    `offset` is where the tensor begins in the arena, in bytes. `unit` is of SenML's registry; `preprocessing` says in
    words what a sensor's value goes through before it is quantised.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int
    offset: int
    unit: str = ""
    preprocessing: str = ""

    def __post_init__(self) -> None:
        fields.require(self.dtype in DATA_TYPES, f"Tensor {self.name!r} has the unknown data type {self.dtype!r}")
        fields.require(
            len(self.shape) <= MAXIMUM_DIMENSIONS and all(0 < extent <= MAXIMUM_BYTES for extent in self.shape),
            f"Tensor {self.name!r} has no possible shape",
        )
        fields.require(self.bytes <= MAXIMUM_BYTES, f"Tensor {self.name!r} is larger than any memory")
        fields.require(math.isfinite(self.scale) and self.scale > 0, f"Tensor {self.name!r} has no positive scale")
        fields.require(-(1 << 31) <= self.zero_point < 1 << 31, f"Tensor {self.name!r} has no possible zero point")
        fields.require(0 <= self.offset <= MAXIMUM_BYTES, f"Tensor {self.name!r} lies outside any memory")

    @property
    def bytes(self) -> int:
        """Its size in the arena."""
        return math.prod(self.shape) * DATA_TYPES[self.dtype][1]

    def as_map(self) -> dict[int, object]:
        """Return the CBOR map; texts that are empty are left out."""
        entry: dict[int, object] = {
            _NAME: self.name,
            _TYPE: DATA_TYPES[self.dtype][0],
            _SHAPE: [int(extent) for extent in self.shape],
            _OFFSET: int(self.offset),
            _SCALE: float(self.scale),
            _ZERO_POINT: int(self.zero_point),
        }
        if self.unit:
            entry[_UNIT] = self.unit
        if self.preprocessing:
            entry[_PREPROCESSING] = self.preprocessing
        return entry

    @classmethod
    def from_map(cls, value: Any) -> "TensorDescriptor":
        """Read the CBOR map; raises InvalidDescriptorError."""
        entry = fields.MapReader(value, "A tensor", _KEYS)
        code = entry.unsigned(_TYPE)
        fields.require(code in _NAME_OF_CODE, f"A tensor has the unknown data type {code}")
        return cls(
            name=entry.text(_NAME),
            shape=entry.unsigned_list(_SHAPE),
            dtype=_NAME_OF_CODE[code],
            scale=entry.number(_SCALE),
            zero_point=entry.integer(_ZERO_POINT),
            offset=entry.unsigned(_OFFSET),
            unit=entry.text(_UNIT, default=""),
            preprocessing=entry.text(_PREPROCESSING, default=""),
        )
