"""Finds the layers of a quantised model that can be trained: fully connected ones at its end."""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.errors import NotTrainable
from lwm2m_ml.compiler.ir import DataType, Graph, Operation, Tensor
from lwm2m_ml.compiler.ir.kinds import Activation, FullyConnected, Softmax

_HINT = "Train fewer layers; the last ones must be fully connected, before a softmax or the end"
_RECTIFIERS: dict[Activation, float | None] = {
    Activation.NONE: None,
    Activation.RELU: float("inf"),
    Activation.RELU6: 6.0,
}


@dataclass(frozen=True, slots=True)
class HeadLayer:
    """A layer to be trained: its place in all parameters, and what it begins with.

    `parameters` are float32 (outputs, inputs + 1), the bias last in each row. `highest` limits the rectifier behind it;
    None where there is none.
    """

    start: int
    parameters: NDArray[numpy.float32]
    highest: float | None

    @property
    def outputs(self) -> int:
        """Rows of the layer's parameters."""
        return len(self.parameters)


@dataclass(frozen=True, slots=True)
class Head:
    """The trainable end of a graph: it begins at tensor `features`; `has_softmax` tells whether it ends with one."""

    features: str
    layers: tuple[HeadLayer, ...]
    has_softmax: bool
    operations: frozenset[str]

    @property
    def parameters(self) -> NDArray[numpy.float32]:
        """What all layers begin with, one after the other."""
        return numpy.concatenate([layer.parameters.reshape(-1) for layer in self.layers])


def find_head(graph: Graph, layers: int) -> Head:
    """The last `layers` layers of an int8 graph; raises NotTrainable with what is in the way."""
    if layers < 1:
        raise NotTrainable(f"{layers} layers cannot be trained", hint="Train at least one")
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise NotTrainable("A model that is trained on a device has one input and one output")
    producers, name = graph.producers(), graph.outputs[0]
    taken: list[Operation] = []
    last = producers.get(name)
    has_softmax = last is not None and isinstance(last.kind, Softmax) and last.kind.beta == 1.0
    if last is not None and has_softmax:
        taken.append(last)
        name = last.inputs[0]
    found: list[Operation] = []
    for place in range(layers):
        found.append(_checked(graph, producers.get(name), is_last=place == 0))
        name = found[-1].inputs[0]
    taken += found
    _check_readers(graph, taken, name)
    return Head(name, _layers(graph, found[::-1]), has_softmax, frozenset(operation.output for operation in taken))


def _checked(graph: Graph, operation: Operation | None, *, is_last: bool) -> Operation:
    """A layer that can be trained; raises NotTrainable for any other."""
    if operation is None or not isinstance(operation.kind, FullyConnected):
        what = "the model's input" if operation is None else f"{operation.kind_name} at {operation.name}"
        raise NotTrainable(f"{what[0].upper()}{what[1:]} cannot be trained on a device", hint=_HINT)
    row, weights, _ = graph.operands(operation)
    if row.dtype is not DataType.INT8 or weights.dtype is not DataType.INT8 or row.shape[0] != 1:
        raise NotTrainable(
            f"{operation.name} is not an int8 layer of one row", hint="Compile with --precision int8 to train"
        )
    activation = operation.kind.activation
    if activation not in _RECTIFIERS or (is_last and activation is not Activation.NONE):
        raise NotTrainable(f"{operation.name} ends with {activation.value}, whose gradient is not known here")
    return operation


def _check_readers(graph: Graph, taken: list[Operation], features: str) -> None:
    """What is replaced must be read by nothing else."""
    inside = {operation.output for operation in taken} - set(graph.outputs)
    consumers = graph.consumers()
    for name in inside:
        if len(consumers[name]) != 1:
            raise NotTrainable(f"{name} is read by several layers, so those before the end cannot be trained")
    if len(graph.tensor(features).shape) != 2:
        raise NotTrainable(f"{features} is not a row of features")


def _layers(graph: Graph, operations: list[Operation]) -> tuple[HeadLayer, ...]:
    layers: list[HeadLayer] = []
    start = 0
    for operation in operations:
        kind = operation.kind
        assert isinstance(kind, FullyConnected)  # noqa: S101 - see _checked
        parameters = _real_parameters(*graph.operands(operation))
        layers.append(HeadLayer(start, parameters, _RECTIFIERS[kind.activation]))
        start += parameters.size
    return tuple(layers)


def _real_parameters(row: Tensor, weights: Tensor, bias: Tensor) -> NDArray[numpy.float32]:
    """Weights and bias as real numbers: what the integers of a quantised layer stand for."""
    assert row.quantization is not None  # noqa: S101 - int8 tensors have one
    assert weights.quantization is not None  # noqa: S101
    scales = numpy.asarray(weights.quantization.scales, numpy.float64)[:, None]
    zero_points = numpy.asarray(weights.quantization.zero_points, numpy.float64)[:, None]
    real = (weights.values.astype(numpy.float64) - zero_points) * scales
    biases = bias.values.astype(numpy.float64)[:, None] * scales * row.quantization.scale
    return numpy.concatenate([real, biases], axis=1).astype(numpy.float32)
