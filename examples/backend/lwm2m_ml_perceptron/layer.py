"""A fully connected layer as integers: what LiteRT's reference kernel computes, ready to be written down."""

import math
from dataclasses import dataclass

from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.kinds import Activation, FullyConnected


@dataclass(frozen=True)
class Scaling:
    """sum × multiplier, rounded and shifted right by `shift` bits."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class Layer:
    """One layer. `weights` hold `outputs` rows of `inputs` bytes; zero points and limits are int8 codes."""

    name: str
    operand: str
    result: str
    inputs: int
    outputs: int
    weights: bytes
    biases: tuple[int, ...]
    scalings: tuple[Scaling, ...]
    input_zero: int
    output_zero: int
    low: int
    high: int


def read_layers(graph: Graph) -> list[Layer]:
    """The layers of a graph in order; raises UnsupportedOperator for what this compiler does not know."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedOperator("model", "its border", why="it has several inputs or outputs")
    return [_layer(graph, operation) for operation in graph.operations]


def _layer(graph: Graph, operation: Operation) -> Layer:
    kind = operation.kind
    rows, weights, bias = graph.operands(operation) if isinstance(kind, FullyConnected) else (None, None, None)
    if not isinstance(kind, FullyConnected) or rows is None or weights is None or bias is None:
        raise UnsupportedOperator(operation.kind_name, operation.name, why="only fully connected layers are known")
    result = graph.result(operation)
    if kind.rounds_twice or rows.quantization is None or result.quantization is None or math.prod(rows.shape[:-1]) != 1:
        raise UnsupportedOperator(operation.kind_name, operation.name, why="only one row of int8 at a time is known")
    assert weights.quantization is not None
    outputs = weights.shape[0]
    scales = weights.quantization.scales * (outputs if len(weights.quantization.scales) == 1 else 1)
    reals = [rows.quantization.scale * scale / result.quantization.scale for scale in scales]
    low, high = _limits(kind.activation, result.quantization.scale, result.quantization.zero_point)
    return Layer(
        name=operation.name,
        operand=rows.name,
        result=result.name,
        inputs=weights.shape[1],
        outputs=outputs,
        weights=weights.values.tobytes(),
        biases=tuple(int(value) for value in bias.values),
        scalings=tuple(_scaling(real, operation) for real in reals),
        input_zero=rows.quantization.zero_point,
        output_zero=result.quantization.zero_point,
        low=low,
        high=high,
    )


def _scaling(real: float, operation: Operation) -> Scaling:
    """A positive real number as 31 bits and a shift; LiteRT rounds sums of fully connected layers once."""
    fraction, exponent = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if not 0 < 31 - exponent < 63:
        raise UnsupportedOperator(operation.kind_name, operation.name, why=f"its scale {real:g} is out of range")
    return Scaling(multiplier, 31 - exponent)


def _limits(activation: Activation, scale: float, zero: int) -> tuple[int, int]:
    """The codes between which an activation keeps the result."""

    def code(real: float) -> int:
        return zero + math.floor(abs(real / scale) + 0.5) * (1 if real >= 0 else -1)

    low, high = activation.bounds
    return (
        -128 if math.isinf(low) else max(-128, code(low)),
        127 if math.isinf(high) else min(127, code(high)),
    )
