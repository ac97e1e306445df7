"""The verifier finds each broken rule and names the step that broke it."""

from collections.abc import Callable
from dataclasses import replace

import numpy
import pytest

from lwm2m_ml.compiler.errors import InvalidGraph
from lwm2m_ml.compiler.ir import DataType, Graph, Operation, Quantization, Tensor, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder, constant_tensor
from lwm2m_ml.compiler.ir.kinds import Binary, BinaryFunction, MaxPool, Unary, UnaryFunction


def _graph() -> Graph:
    builder = GraphBuilder()
    x = builder.variable("x", (1, 4, 4, 2), DataType.FLOAT32)
    r = builder.add(Unary(UnaryFunction.RELU), [x], "r")
    return builder.finish([x], [builder.add(MaxPool((2, 2), (2, 2)), [r], "y")])


def _integer() -> Graph:
    given = Quantization.per_tensor(0.1, 3)
    tensors = {
        name: replace(tensor, dtype=DataType.INT8, quantization=given) for name, tensor in _graph().tensors.items()
    }
    return replace(_graph(), tensors=tensors)


def test_sound_graphs_pass() -> None:
    verify(_graph(), after="the test")
    verify(_integer(), after="the test")


def _reversed(graph: Graph) -> Graph:
    return graph.with_operations(reversed(graph.operations))


def _shape(graph: Graph) -> Graph:
    return graph.with_tensors([replace(graph.tensor("y"), shape=(1, 3, 2, 2))])


def _missing_operand(graph: Graph) -> Graph:
    return graph.with_operations([*graph.operations, Operation("a", Binary(BinaryFunction.ADD), ("y",), "z")])


def _unwritten(graph: Graph) -> Graph:
    return replace(graph.with_tensors([Tensor("z", (1,), DataType.FLOAT32)]), outputs=("z",))


def _written_twice(graph: Graph) -> Graph:
    return graph.with_operations([*graph.operations, graph.operations[0]])


def _other_data(graph: Graph) -> Graph:
    wrong = replace(constant_tensor("c", numpy.zeros(3, numpy.float32)), shape=(4,))
    return graph.with_tensors([wrong])


@pytest.mark.parametrize("spoil", [_reversed, _shape, _missing_operand, _unwritten, _written_twice, _other_data])
def test_broken_rule_is_found(spoil: Callable[[Graph], Graph]) -> None:
    with pytest.raises(InvalidGraph, match="after the test"):
        verify(spoil(_graph()), after="the test")


@pytest.mark.parametrize(
    "quantization",
    [
        None,
        Quantization.per_tensor(0.2, 3),
        Quantization((0.1, 0.1), (3, 3), None),
        Quantization((0.1,), (3, 3), None),
        Quantization.per_tensor(float("inf"), 3),
    ],
)
def test_broken_quantisation_is_found(quantization: Quantization | None) -> None:
    graph = _integer()
    with pytest.raises(InvalidGraph):
        verify(graph.with_tensors([replace(graph.tensor("y"), quantization=quantization)]), after="the test")
