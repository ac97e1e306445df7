"""The fixed-point parameters of a layer: how its int32 sums become int8 results."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.arithmetic import (
    Integers,
    Rounding,
    activation_limits,
    clamp_int8,
    multiply,
    quantize_multiplier,
    wrap32,
)
from lwm2m_ml.compiler.ir import DataType, Graph, Operation, Tensor, kinds
from lwm2m_ml.compiler.ir.tensor import Array

# Those of layers that read or write int16.
WIDE_ROUNDINGS = (Rounding.WIDE, Rounding.REDUCED)
LAYERS = (kinds.Convolution, kinds.DepthwiseConvolution, kinds.TransposeConvolution, kinds.FullyConnected)


@dataclass(frozen=True, slots=True)
class Requantization:
    """One multiplier and shift per output channel, then the zero point and the limits of the activation."""

    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    zero_point: int
    low: int
    high: int
    rounding: Rounding
    dtype: DataType = DataType.INT8

    def apply(self, sums: Array) -> Array:
        """Results of int32 sums (int64 beside 16 bits) whose last axis counts channels."""
        multipliers, shifts = numpy.array(self.multipliers), numpy.array(self.shifts)
        if self.rounding in WIDE_ROUNDINGS:
            wide = multiply(sums, multipliers, shifts, self.rounding) + self.zero_point
            return numpy.clip(wide, self.low, self.high).astype(self.dtype.numpy)
        scaled: Integers = multiply(wrap32(sums), multipliers, shifts, self.rounding)
        return clamp_int8(scaled + self.zero_point, self.low, self.high)


def scale_of(tensor: Tensor) -> float:
    """The scale of a tensor quantised as a whole."""
    assert tensor.quantization is not None, tensor.name  # noqa: S101 - the verifier saw to it
    return tensor.quantization.scale


def zero_point_of(tensor: Tensor) -> int:
    """The zero point of a tensor quantised as a whole."""
    assert tensor.quantization is not None, tensor.name  # noqa: S101 - the verifier saw to it
    return tensor.quantization.zero_point


def limits_of(tensor: Tensor, activation: kinds.Activation) -> tuple[int, int]:
    """The interval of codes of a fused activation of an integer result."""
    limits = numpy.iinfo(tensor.dtype.value)
    bounds = activation.bounds
    return activation_limits(
        scale_of(tensor), zero_point_of(tensor), bounds, lowest=int(limits.min), highest=int(limits.max)
    )


def is_wide(*tensors: Tensor) -> bool:
    """Whether one of these tensors holds 16 bits: the sums between them may then leave int32."""
    return any(tensor.dtype is DataType.INT16 for tensor in tensors)


def _rounding(kind: kinds.Kind, *, wide: bool) -> Rounding:
    if wide:
        return Rounding.WIDE if isinstance(kind, kinds.FullyConnected) else Rounding.REDUCED
    once = isinstance(kind, kinds.FullyConnected) and not kind.rounds_twice
    return Rounding.SINGLE if once else Rounding.DOUBLE


def layer_requantization(graph: Graph, operation: Operation) -> Requantization:
    """The parameters of a convolution or fully connected layer.

    LiteRT's reference kernels round fully connected sums once and everything else twice; TFLM always rounds twice.
    Layers that read or write int16 round once.
    The scales are multiplied in float64, as TfLite does.
    """
    kind = operation.kind
    assert isinstance(kind, LAYERS)  # noqa: S101 - callers dispatch on the kind
    operand, weights, _ = graph.operands(operation)
    result = graph.result(operation)
    assert weights.quantization is not None  # noqa: S101 - the verifier saw to it
    channels = result.shape[-1]
    scales = weights.quantization.scales
    reals = [scale_of(operand) * scale / scale_of(result) for scale in scales]
    pairs = [quantize_multiplier(real) for real in (reals * channels if len(reals) == 1 else reals)]
    low, high = limits_of(result, kind.activation)
    return Requantization(
        tuple(multiplier for multiplier, _ in pairs),
        tuple(shift for _, shift in pairs),
        zero_point_of(result),
        low,
        high,
        _rounding(kind, wide=is_wide(operand, result)),
        result.dtype,
    )
