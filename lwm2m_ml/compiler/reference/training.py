"""What the operations of a training step compute, in float32 and in the order of the generated code.

Each sum is taken from the first to the last term, each product is rounded before it is added, and the elementary
functions are the same polynomials, so the answers are those of the device bit for bit. Axis 0 of every operand counts
samples.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.ir.training import (
    Carried,
    Checksum,
    Control,
    CrossEntropy,
    Descent,
    HiddenGradient,
    Momentum,
    OutputGradient,
    ParameterGradient,
    Probabilities,
    Released,
    TrainableLayer,
)

Floats = NDArray[numpy.float32]
_F = numpy.float32
SMALLEST_PROBABILITY = 1e-7
# Cephes, expf.c and logf.c.
_EXPONENTIAL = tuple(
    map(_F, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1))
)
_LOGARITHM = tuple(
    map(
        _F,
        (
            7.0376836292e-2,
            -1.1514610310e-1,
            1.1676998740e-1,
            -1.2420140846e-1,
            1.4249322787e-1,
            -1.6668057665e-1,
            2.0000714765e-1,
            -2.4999993993e-1,
            3.3333331174e-1,
        ),
    )
)


def exponential(values: Floats) -> Floats:
    """Powers of e as devices compute it; 0 below −87."""
    x = numpy.minimum(values, _F(88.0))
    n = numpy.trunc(x * _F(1.44269504) + numpy.where(x < 0, _F(-0.5), _F(0.5)))
    r = x - n * _F(0.693359375) + n * _F(2.12194440e-4)
    p = numpy.full_like(r, _EXPONENTIAL[0])
    for coefficient in _EXPONENTIAL[1:]:
        p = p * r + coefficient
    whole = numpy.clip(n, -126, 127).astype(numpy.int32)
    power = ((whole + 127) << 23).view(numpy.float32)
    result: Floats = numpy.where(values < _F(-87.0), _F(0.0), (p * r * r + r + _F(1.0)) * power)
    return result


def logarithm(values: Floats) -> Floats:
    """The natural logarithm of positive numbers as devices compute it."""
    bits = numpy.ascontiguousarray(values).view(numpy.int32)
    exponent = ((bits >> 23) & 255) - 126
    m = ((bits & 0x7FFFFF) | 0x3F000000).view(numpy.float32)
    small = m < _F(0.707106781)
    exponent = exponent - small
    m = numpy.where(small, m + m, m) - _F(1.0)
    z, p = m * m, numpy.full_like(m, _LOGARITHM[0])
    for coefficient in _LOGARITHM[1:]:
        p = p * m + coefficient
    e = exponent.astype(numpy.float32)
    result: Floats = m + (p * m * z - _F(2.12194440e-4) * e - _F(0.5) * z) + _F(0.693359375) * e
    return result


def _control(control: Floats, place: Control) -> Floats:
    """One of the numbers, as a column."""
    return control[:, int(place), None]


def _true_class(control: Floats, classes: int) -> NDArray[numpy.int64]:
    """The true class of each sample as a column, −1 where there is none."""
    given = _control(control, Control.CLASS)
    real = (given >= 0) & (given < classes) & (_control(control, Control.WEIGHT) != 0)
    return numpy.where(real, numpy.where(real, given, 0).astype(numpy.int64), -1)


def _rows(parameters: Floats, start: int, outputs: int, inputs: int) -> Floats:
    """A layer's part of all parameters: samples, outputs, inputs and the bias."""
    part = parameters[:, start : start + outputs * (inputs + 1)]
    return part.reshape(len(parameters), outputs, inputs + 1)


def _carried(_kind: Carried, operands: Sequence[Array]) -> Array:
    control, state = operands[:2]
    initial = operands[2] if len(operands) > 2 else _F(0.0)
    return numpy.where(_control(control, Control.KEEP) != 0, state, initial)


def _layer(kind: TrainableLayer, operands: Sequence[Array]) -> Array:
    row, inputs = operands[0][:, 0, :], operands[0].shape[-1]
    weights = _rows(operands[1], kind.start, kind.outputs, inputs)
    total = numpy.broadcast_to(weights[:, :, inputs], (len(row), kind.outputs)).copy()
    for place in range(inputs):
        total += row[:, place, None] * weights[:, :, place]
    if kind.highest is not None:
        total = numpy.clip(total, _F(0.0), _F(kind.highest))
    return total[:, None, :]


def _probabilities(_kind: Probabilities, operands: Sequence[Array]) -> Array:
    (rows,) = operands
    powers = exponential(rows - rows.max(axis=-1, keepdims=True))
    total = numpy.zeros_like(powers[..., :1])
    for place in range(powers.shape[-1]):
        total = total + powers[..., place, None]
    result: Array = powers / total
    return result


def _cross_entropy(_kind: CrossEntropy, operands: Sequence[Array]) -> Array:
    rows, control = operands[0][:, 0, :], operands[1]
    true = _true_class(control, rows.shape[-1])
    chosen = numpy.take_along_axis(rows, numpy.maximum(true, 0), axis=1)
    loss = -logarithm(numpy.maximum(chosen, _F(SMALLEST_PROBABILITY)))
    return numpy.where(true >= 0, loss, _F(0.0))


def _output_gradient(_kind: OutputGradient, operands: Sequence[Array]) -> Array:
    rows, control = operands[0][:, 0, :], operands[1]
    true = _true_class(control, rows.shape[-1])
    error = rows - (numpy.arange(rows.shape[-1]) == true).astype(numpy.float32)
    return numpy.where(true >= 0, _control(control, Control.WEIGHT) * error, _F(0.0))[:, None, :]


def _hidden_gradient(kind: HiddenGradient, operands: Sequence[Array]) -> Array:
    gradient, parameters, row = operands[0][:, 0, :], operands[1], operands[2][:, 0, :]
    outputs, inputs = gradient.shape[-1], row.shape[-1]
    weights = _rows(parameters, kind.start, outputs, inputs)
    total: Array = numpy.zeros((len(row), inputs), numpy.float32)
    for output in range(outputs):
        total = total + gradient[:, output, None] * weights[:, output, :inputs]
    if kind.highest is not None:
        total = numpy.where((row > 0) & (row < _F(kind.highest)), total, _F(0.0))
    return total[:, None, :]


def _parameter_gradient(kind: ParameterGradient, operands: Sequence[Array]) -> Array:
    total, gradient, row = operands[0].copy(), operands[1][:, 0, :], operands[2][:, 0, :]
    added = gradient[:, :, None] * numpy.concatenate([row, numpy.ones_like(row[:, :1])], axis=1)[:, None, :]
    added = added.reshape(len(row), -1)
    total[:, kind.start : kind.start + added.shape[1]] += added
    return total


def _momentum(_kind: Momentum, operands: Sequence[Array]) -> Array:
    velocity, gradient, control = operands
    share = _control(control, Control.SHARE)
    with numpy.errstate(over="ignore", invalid="ignore"):
        moved = _control(control, Control.MOMENTUM) * velocity + share * gradient
    return numpy.where(share != 0, moved, velocity)


def _descent(_kind: Descent, operands: Sequence[Array]) -> Array:
    parameters, velocity, control = operands
    with numpy.errstate(over="ignore", invalid="ignore"):
        moved = parameters - _control(control, Control.RATE) * velocity
    return numpy.where(_control(control, Control.SHARE) != 0, moved, parameters)


def _released(_kind: Released, operands: Sequence[Array]) -> Array:
    gradient, control = operands
    return numpy.where(_control(control, Control.SHARE) != 0, _F(0.0), gradient)


def _checksum(_kind: Checksum, operands: Sequence[Array]) -> Array:
    parameters, control = operands
    total = numpy.add.accumulate(parameters, axis=1, dtype=numpy.float32)[:, -1:]
    return numpy.where(_control(control, Control.SHARE) != 0, total, _F(0.0))


KERNELS: dict[type, Callable[[Any, Sequence[Array]], Array]] = {
    Carried: _carried,
    TrainableLayer: _layer,
    Probabilities: _probabilities,
    CrossEntropy: _cross_entropy,
    OutputGradient: _output_gradient,
    HiddenGradient: _hidden_gradient,
    ParameterGradient: _parameter_gradient,
    Momentum: _momentum,
    Descent: _descent,
    Released: _released,
    Checksum: _checksum,
}
