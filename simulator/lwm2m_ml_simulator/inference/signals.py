"""What models take in and put out, on its way between sensor, tensors, expressions and resources."""

from collections.abc import Mapping

import numpy

from lwm2m_ml.lwm2m.expressions import Expression, Values, evaluate, names
from lwm2m_ml.lwm2m.expressions.evaluation import Value as Number
from lwm2m_ml.module.descriptor import TensorDescriptor
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.processor.machine import FloatArray

Signal = FloatArray | float | tuple[float, ...]
Signals = Mapping[str, Signal]


def compute(expression: Expression, signals: Signals) -> Number:
    """Compute an expression; only what it names is made numbers of."""
    values: Values = {name: as_numbers(signals[name]) for name in names(expression) if name in signals}
    return evaluate(expression, values)


def as_numbers(signal: Signal) -> Number:
    """Return what expressions compute with."""
    return tuple(signal.ravel().tolist()) if isinstance(signal, numpy.ndarray) else signal


def as_tensor(signal: Signal, tensor: TensorDescriptor) -> FloatArray:
    """Return the real values of a tensor; raises MachineFailure for what does not fit it."""
    values = numpy.asarray(signal, dtype=numpy.float32)
    wanted = int(numpy.prod(tensor.shape))
    if values.size != wanted:
        raise MachineFailure(f"input {tensor.name!r} takes {wanted} values, there are {values.size}")
    if numpy.isnan(values).any():
        raise MachineFailure(f"input {tensor.name!r} is not a number")
    return values.reshape(tensor.shape)
