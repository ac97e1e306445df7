"""Real values in the element type of a module's input."""

import numpy

from lwm2m_ml.compiler.arithmetic import quantize_values
from lwm2m_ml.compiler.ir import Array, DataType, Tensor


def encoded(tensor: Tensor, values: Array) -> Array:
    """Real values in a tensor's element type."""
    quantization = tensor.quantization
    if tensor.dtype is DataType.FLOAT32 or quantization is None:
        return values.astype(tensor.dtype.numpy)
    if tensor.dtype is DataType.INT8:
        return quantize_values(values, quantization.scale, quantization.zero_point)
    limits = numpy.iinfo(tensor.dtype.value)
    codes = numpy.rint(values / quantization.scale) + quantization.zero_point
    limited: Array = numpy.clip(codes, limits.min, limits.max).astype(tensor.dtype.numpy)
    return limited
