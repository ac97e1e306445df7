"""Object 19, BinaryAppDataContainer: an input that was captured, or that a model's output passes on."""

import re
import time
from dataclasses import dataclass
from typing import Self

import numpy

from lwm2m_ml.module.descriptor import TensorDescriptor
from lwm2m_ml_simulator.objects.stored import StoredInstance
from lwm2m_ml_simulator.processor.machine import FloatArray, dequantise, quantise

DATA, CREATED, DESCRIPTION, FORMAT = 0, 2, 3, 4
_FORMAT = re.compile(r"(u?int8|int16|int32);scale=([0-9.e+-]{1,32});zero=(-?\d{1,10})")


@dataclass(frozen=True, slots=True)
class Samples:
    """The integers of a tensor, and how real values are made of them."""

    data: bytes
    tensor: TensorDescriptor

    @classmethod
    def of(cls, values: FloatArray, tensor: TensorDescriptor) -> Self:
        """Quantise real values as a tensor does."""
        return cls(quantise(values, tensor), tensor)

    @property
    def data_format(self) -> str:
        """Data Format (19/x/4): type, scale and zero point."""
        return f"{self.tensor.dtype};scale={self.tensor.scale!r};zero={self.tensor.zero_point}"

    @property
    def values(self) -> FloatArray:
        """The real values."""
        return dequantise(self.data, self.tensor)


class BinaryAppData(StoredInstance):
    """One input: the integers of the tensor as the module got them."""

    object_id = 19

    @classmethod
    def of(cls, instance_id: int, samples: Samples, description: str) -> Self:
        """Return an instance with data of this moment."""
        created = int(time.time())
        return cls(
            instance_id,
            {DATA: {0: samples.data}, CREATED: created, DESCRIPTION: description, FORMAT: samples.data_format},
        )

    @property
    def samples(self) -> Samples | None:
        """What is in it, where its format tells."""
        data, described = self.values.get(DATA), self.values.get(FORMAT)
        parts = data.get(0) if isinstance(data, dict) else None
        found = _FORMAT.fullmatch(described) if isinstance(described, str) else None
        if found is None or not isinstance(parts, bytes):
            return None
        items = len(parts) // numpy.dtype(found[1]).itemsize
        return Samples(parts, TensorDescriptor("", (items,), found[1], float(found[2]), int(found[3]), 0))
