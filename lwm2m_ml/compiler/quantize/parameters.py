"""Scales and zero points from ranges: asymmetric for activations, symmetric per channel for weights."""

import numpy

from lwm2m_ml.compiler.arithmetic import round_half_away
from lwm2m_ml.compiler.errors import CalibrationError
from lwm2m_ml.compiler.ir import Array, Quantization
from lwm2m_ml.compiler.quantize.calibration import Range

# The largest codes of symmetric weights.
LARGEST_INT8 = 127
LARGEST_INT4 = 7
# Biases stay below this, so that the sum of a layer cannot leave int32.
_LARGEST_BIAS = float(1 << 30)
# A tensor that moves less than this is constant: its scale would vanish in float32.
_SMALLEST_SPAN = 1e-30
# Between these a scale, and its product with another, is an ordinary float32.
_SMALLEST_SCALE, _LARGEST_SCALE = 1e-30, 1e30


def activation_quantization(found: Range) -> Quantization:
    """Int8 codes spread over the range; the zero point is moved to a whole code so that real zero is exact."""
    span = found.high - found.low
    if span < _SMALLEST_SPAN:
        return Quantization.per_tensor(1.0, 0)
    scale = float(numpy.float32(span / 255.0))
    zero_point = round(-128 - found.low / scale)
    return Quantization.per_tensor(scale, max(-128, min(127, zero_point)))


def wide_quantization(found: Range) -> Quantization:
    """Int16 codes, symmetric as TfLite's 16x8 scheme has them."""
    largest = max(-found.low, found.high)
    return Quantization.per_tensor(float(numpy.float32(largest / 32767)) if largest > _SMALLEST_SPAN else 1.0, 0)


def weight_scales(
    weights: Array, axis: int, bias: Array, input_scale: float, *, largest: int = LARGEST_INT8
) -> tuple[float, ...]:
    """One scale per output channel, symmetric, large enough that the channel's bias fits too.

    `largest` is the largest code.
    """
    others = tuple(index for index in range(weights.ndim) if index != axis)
    for_weights = numpy.abs(weights.astype(numpy.float64)).max(axis=others) / largest
    for_bias = numpy.abs(bias.astype(numpy.float64)) / (input_scale * _LARGEST_BIAS)
    scales = numpy.maximum(for_weights, for_bias)
    # A channel of zeros may have any scale; one of the usual size keeps its bias precise.
    usual = float(scales.max()) or 1.0
    scales = numpy.where(scales > 0, scales, usual)
    if not scales.max() < _LARGEST_SCALE:
        raise CalibrationError("The weights of a layer are too large, or its operand too small, for int8")
    # Channels that are all but zero: a scale below the smallest of float32 would be none.
    scales = numpy.maximum(scales, _SMALLEST_SCALE)
    return tuple(float(scale) for scale in scales.astype(numpy.float32))


def quantize_weights(weights: Array, axis: int, scales: tuple[float, ...], *, largest: int = LARGEST_INT8) -> Array:
    """Weights as symmetric codes in int8, none larger than `largest`."""
    shape = [1] * weights.ndim
    shape[axis] = -1
    codes = round_half_away(weights.astype(numpy.float64) / numpy.array(scales).reshape(shape))
    return numpy.clip(codes, -largest, largest).astype(numpy.int8)


def quantize_bias(bias: Array, scales: tuple[float, ...], input_scale: float) -> Array:
    """Biases as int32 at the scale of the layer's sums."""
    return round_half_away(bias.astype(numpy.float64) / (numpy.array(scales) * input_scale)).astype(numpy.int32)
