"""Element types of tensors."""

from enum import Enum

import numpy


class DataType(Enum):
    """What one element is; the value is the name in facts and descriptors."""

    FLOAT32 = "float32"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    BOOL = "bool"

    @property
    def numpy(self) -> "numpy.dtype[numpy.generic]":
        """The numpy type of the same name."""
        return numpy.dtype(self.value)

    @property
    def bytes(self) -> int:
        """Size of one element."""
        return self.numpy.itemsize
