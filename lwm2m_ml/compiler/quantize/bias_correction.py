"""Takes the mean error of rounded weights out of the biases.

Nagel, van Baalen, Blankevoort, Welling: Data-Free Quantization Through Weight Equalization and Bias Correction
(ICCV 2019), section 4.2, with the mean of the layer's operand observed on calibration data. Padding counts as if it
were image.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy

from lwm2m_ml.compiler.ir import Array, Operation, kinds

# The sum over the window and input channels of error × mean, one for each output channel.
_Expectation = Callable[[Operation, Array, Array], Array]


def rounding_error(operation: Operation, weights: Array, codes: Array, scales: Sequence[float]) -> Array:
    """What the codes of a layer's weights stand for, less the weights."""
    shape = [1] * weights.ndim
    shape[kinds.OUTPUT_AXIS[type(operation.kind)]] = -1
    error: Array = codes.astype(numpy.float64) * numpy.array(scales).reshape(shape) - weights
    return error


def corrected_bias(operation: Operation, error: Array, means: Array, bias: Array) -> Array:
    """The biases less what an error of the weights adds to each output channel in the mean.

    `means` are those of the operand's channels.
    """
    expected = _EXPECTATIONS.get(type(operation.kind))
    corrected: Array = bias if expected is None else bias - expected(operation, error, means)
    return corrected


def _convolution(operation: Operation, error: Array, means: Array) -> Array:
    """Each group of output channels reads its own part of the operand's."""
    kind = operation.kind
    assert isinstance(kind, kinds.Convolution)  # noqa: S101 - see the table
    parts = zip(numpy.split(error.sum(axis=(1, 2)), kind.groups), numpy.split(means, kind.groups), strict=True)
    expected: Array = numpy.concatenate([filters @ channels for filters, channels in parts])
    return expected


def _depthwise(_operation: Operation, error: Array, means: Array) -> Array:
    sums = error.sum(axis=(0, 1))
    expected: Array = sums * numpy.repeat(means, len(sums) // len(means))
    return expected


def _fully_connected(_operation: Operation, error: Array, means: Array) -> Array:
    expected: Array = error @ means
    return expected


_EXPECTATIONS: Mapping[type, _Expectation] = {
    kinds.Convolution: _convolution,
    kinds.DepthwiseConvolution: _depthwise,
    kinds.FullyConnected: _fully_connected,
}
