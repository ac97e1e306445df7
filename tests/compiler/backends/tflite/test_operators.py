"""What each kind of operation becomes in a flatbuffer: LiteRT's reference kernels answer as the interpreter does."""

from typing import Any

import numpy
import pytest
from ai_edge_litert import schema_py_generated as schema

from lwm2m_ml.compiler.backends.interface import Request
from lwm2m_ml.compiler.backends.tflite.backend import TfliteBackend
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import DataType, Graph, Quantization, kinds
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Activation, BinaryFunction, Padding, UnaryFunction
from lwm2m_ml.compiler.proof import prove
from lwm2m_ml.compiler.targets import load_target

_QUANTIZATION = Quantization.per_tensor(0.05, -7)
_OTHER = Quantization.per_tensor(0.07, 3)
_RANDOM = numpy.random.default_rng(9)
_LAYERS = (kinds.Convolution, kinds.DepthwiseConvolution, kinds.TransposeConvolution)


def _graph(kind: Any, shape: tuple[int, ...], weights: tuple[int, ...] | None, result: Quantization) -> Graph:
    builder = GraphBuilder()
    operands = [builder.variable("x", shape, DataType.INT8, _QUANTIZATION)]
    if isinstance(kind, kinds.Binary | kinds.Concatenate | kinds.ParametricRelu):
        operands.append(builder.variable("z", shape, DataType.INT8, _QUANTIZATION))
    if weights is not None:
        axis = 2 if isinstance(kind, kinds.DepthwiseConvolution) else 0
        channels = weights[axis]
        scales = tuple(float(one) for one in _RANDOM.uniform(0.002, 0.01, channels).astype(numpy.float32))
        codes = _RANDOM.integers(-127, 128, weights).astype(numpy.int8)
        inputs = list(operands)
        operands.append(builder.constant("w", codes, Quantization(scales, (0,) * channels, axis)))
        operands.append(builder.constant("b", _RANDOM.integers(-3000, 3000, channels).astype(numpy.int32)))
    else:
        inputs = list(operands)
    return builder.finish(inputs, [builder.add(kind, operands, "y", quantization=result)])


def _case(kind: Any, shape: tuple[int, ...] = (1, 6, 5, 3), weights: tuple[int, ...] | None = None) -> Any:
    return pytest.param(kind, shape, weights, id=f"{type(kind).__name__}{_CASES.__next__()}")


_CASES = iter(range(1000))
_LEFT_OUT = (
    UnaryFunction.ELU,
    UnaryFunction.HARD_SIGMOID,
    UnaryFunction.LOG,
    UnaryFunction.LOGISTIC,
    UnaryFunction.TANH,
)
"""LiteRT's integer reference kernels have none of the first three, and not our bits for the last two."""
_SAME, _ODD = Padding(1, 1, 1, 1), Padding(2, 0, 1, 2)
CASES = [
    _case(kinds.Convolution((1, 1), _SAME, activation=Activation.RELU6), weights=(4, 3, 3, 3)),
    _case(kinds.Convolution((2, 1), _ODD), weights=(4, 3, 3, 3)),
    _case(kinds.Convolution(groups=3), weights=(6, 1, 1, 1)),
    _case(kinds.DepthwiseConvolution((1, 1), _ODD), weights=(3, 3, 6)),
    _case(kinds.TransposeConvolution((12, 10), (2, 2), Padding()), weights=(4, 2, 2, 3)),
    _case(kinds.FullyConnected(Activation.RELU), (2, 7), (5, 7)),
    _case(kinds.MaxPool((3, 3), (2, 1), _ODD)),
    _case(kinds.AveragePool((3, 3), (1, 1), _SAME)),
    _case(kinds.Mean((1, 2))),
    *[_case(kinds.Binary(function)) for function in BinaryFunction],
    *[
        _case(kinds.Unary(function, 0.2 if function is UnaryFunction.LEAKY_RELU else 0.0))
        for function in UnaryFunction
        if function not in _LEFT_OUT
    ],
    _case(kinds.ResizeNearest((0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5), (0, 0, 1, 1, 2, 2, 3, 3, 4, 4))),
    _case(kinds.ResizeBilinear((12, 10), half_pixel_centers=True)),
    _case(kinds.Reshape((1, 90))),
    _case(kinds.Transpose((0, 2, 1, 3))),
    _case(kinds.Pad((0, 1, 0, 0), (0, 0, 2, 0))),
    _case(kinds.Pad((0, 1, 0, 0), (0, 0, 2, 0), 1.5)),
    _case(kinds.Concatenate(3)),
    _case(kinds.Slice((0, 1, 0, 0), (1, 6, 5, 2), (1, 2, 1, 1))),
    _case(kinds.Requantize()),
    _case(kinds.ParametricRelu()),
]


@pytest.mark.parametrize(("kind", "shape", "weights"), CASES)
def test_kind_is_exact(kind: Any, shape: tuple[int, ...], weights: tuple[int, ...] | None) -> None:
    extreme = isinstance(kind, kinds.Binary) and kind.function in (BinaryFunction.MINIMUM, BinaryFunction.MAXIMUM)
    result = _QUANTIZATION if extreme or isinstance(kind, kinds.MOVES) else _OTHER
    graph = _graph(kind, shape, weights, result)
    payload = TfliteBackend().build(Request(graph, b"", load_target("esp32")))
    samples = {
        name: _RANDOM.integers(-128, 128, (3, *graph.tensor(name).shape)).astype(numpy.int8) for name in graph.inputs
    }
    proof = prove(graph, payload, load_target("esp32"), samples)
    assert (proof.executor, proof.exact) == ("LiteRT BUILTIN_REF", True)


def test_every_buffer_lies_where_a_microcontroller_can_read_it() -> None:
    graph = _graph(kinds.FullyConnected(), (1, 7), (5, 7), _OTHER)
    code = TfliteBackend().build(Request(graph, b"", load_target("esp32"))).code
    model = schema.Model.GetRootAs(code, 0)
    starts = []
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        assert buffer is not None
        if not buffer.DataIsNone():
            offset = buffer._tab.Offset(4)
            starts.append(buffer._tab.Vector(offset))
    assert len(starts) == 2
    assert all(start % 16 == 0 for start in starts)


@pytest.mark.parametrize(
    "kind",
    [
        kinds.Unary(UnaryFunction.HARD_SIGMOID),
        kinds.Unary(UnaryFunction.ELU),
        kinds.ResizeNearest((5, 0, 3), (0, 1, 2)),
        kinds.AveragePool((3, 3), (1, 1), _ODD),
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_what_litert_has_no_word_for_is_refused(kind: Any) -> None:
    with pytest.raises(UnsupportedOperator, match=type(kind).__name__):
        TfliteBackend().build(Request(_graph(kind, (1, 6, 5, 3), None, _QUANTIZATION), b"", load_target("esp32")))
