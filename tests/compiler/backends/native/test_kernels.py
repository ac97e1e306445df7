"""Every kernel on emulated cores, bit for bit against the integer interpreter."""

from typing import Any

import pytest

from lwm2m_ml.compiler.ir import Graph, Quantization, kinds
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.data_type import DataType
from lwm2m_ml.compiler.ir.kinds import Activation, Binary, BinaryFunction, Padding, Unary, UnaryFunction

TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
Case = tuple[kinds.Kind, list[tuple[int, ...]], dict[str, Any]]

CASES: dict[str, Case] = {
    "convolution": (kinds.Convolution(), [(1, 5, 4, 3)], {"weights": (4, 3, 3, 3)}),
    "convolution padded": (
        kinds.Convolution(padding=Padding(1, 2, 0, 1), activation=Activation.RELU),
        [(1, 5, 4, 3)],
        {"weights": (4, 3, 2, 3)},
    ),
    "convolution strided, dilated": (
        kinds.Convolution(stride=(2, 1), dilation=(1, 2), padding=Padding(1, 1, 1, 1)),
        [(1, 7, 6, 2)],
        {"weights": (3, 3, 2, 2)},
    ),
    "convolution in groups": (kinds.Convolution(groups=2), [(1, 4, 4, 4)], {"weights": (6, 3, 3, 2)}),
    "convolution of a batch": (kinds.Convolution(), [(2, 3, 3, 2)], {"weights": (2, 2, 2, 2)}),
    "pointwise convolution": (kinds.Convolution(), [(1, 3, 3, 8)], {"weights": (6, 1, 1, 8)}),
    "convolution with left shifts": (kinds.Convolution(), [(1, 3, 3, 2)], {"weights": (3, 2, 2, 2), "shift": 12}),
    "depthwise": (
        kinds.DepthwiseConvolution(padding=Padding(1, 1, 1, 1), activation=Activation.RELU6),
        [(1, 5, 4, 6)],
        {"weights": (3, 3, 6)},
    ),
    "depthwise multiplied": (
        kinds.DepthwiseConvolution(stride=(2, 2), padding=Padding(0, 1, 0, 1)),
        [(1, 6, 5, 2)],
        {"weights": (3, 2, 6)},
    ),
    "depthwise dilated": (kinds.DepthwiseConvolution(dilation=(2, 2)), [(1, 7, 7, 3)], {"weights": (3, 3, 3)}),
    "fully connected": (kinds.FullyConnected(), [(1, 21)], {"weights": (7, 21)}),
    "fully connected, many rows": (kinds.FullyConnected(Activation.RELU), [(3, 8)], {"weights": (5, 8)}),
    "average pool": (kinds.AveragePool((2, 2), (2, 2)), [(1, 6, 4, 5)], {}),
    "average pool padded": (kinds.AveragePool((3, 3), (2, 2), Padding(1, 1, 1, 1)), [(1, 6, 5, 3)], {}),
    "max pool": (kinds.MaxPool((3, 2), (2, 1), Padding(1, 1, 0, 1)), [(1, 6, 5, 3)], {}),
    "global pool": (kinds.AveragePool((5, 5), (1, 1)), [(1, 5, 5, 9)], {}),
    "add": (
        Binary(BinaryFunction.ADD, Activation.RELU),
        [(1, 3, 3, 4)] * 2,
        {"result": Quantization.per_tensor(0.08, 3)},
    ),
    "subtract": (Binary(BinaryFunction.SUBTRACT), [(1, 3, 5), (1, 1, 5)], {"result": Quantization.per_tensor(0.1, 3)}),
    "multiply": (
        Binary(BinaryFunction.MULTIPLY),
        [(1, 3, 4, 5), (1, 1, 1, 5)],
        {"result": Quantization.per_tensor(0.2, -3)},
    ),
    "softmax": (kinds.Softmax(), [(1, 10)], {"result": Quantization.per_tensor(1 / 256, -128)}),
    "softmax of rows": (kinds.Softmax(), [(1, 2, 3, 4)], {"result": Quantization.per_tensor(1 / 256, -128)}),
    "softmax of one": (kinds.Softmax(), [(1, 1)], {"result": Quantization.per_tensor(1 / 256, -128)}),
    "leaky relu": (Unary(UnaryFunction.LEAKY_RELU, 0.2), [(1, 30)], {"result": Quantization.per_tensor(0.04, 3)}),
    "tanh": (Unary(UnaryFunction.TANH), [(1, 30)], {"result": Quantization.per_tensor(1 / 128, 0)}),
    "requantize": (kinds.Requantize(), [(1, 30)], {"result": Quantization.per_tensor(0.1, 5)}),
    "reshape": (kinds.Reshape((1, 24)), [(1, 4, 6)], {}),
    "transpose": (kinds.Transpose((0, 3, 1, 2)), [(1, 3, 4, 5)], {}),
    "pad": (kinds.Pad((0, 1, 2, 0), (0, 0, 1, 3), 0.5), [(1, 3, 4, 2)], {}),
    "slice": (kinds.Slice((0, 1, 0), (1, 5, 4), (1, 2, 3)), [(1, 6, 5)], {}),
    "concatenate": (kinds.Concatenate(2), [(1, 2, 3, 4), (1, 2, 2, 4)], {}),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_module_equals_the_integer_interpreter(case: str, target: str, layer: Any, check: Any) -> None:
    kind, shapes, options = CASES[case]
    check(layer(kind, shapes, **options), target)


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_optimisations_do_not_change_answers(optimize: str, layer: Any, check: Any) -> None:
    kind, shapes, options = CASES["convolution padded"]
    check(layer(kind, shapes, **options), "cortex-m4f", optimize=optimize)


def _chain(*steps: kinds.Kind) -> Graph:
    builder = GraphBuilder()
    given = Quantization.per_tensor(0.05, -7)
    name = first = builder.variable("x", (1, 4, 4, 2), DataType.INT8, given)
    for step in steps:
        operands = [name, name] if isinstance(step, Binary) else [name]
        name = builder.add(step, operands, "y", quantization=given)
    return builder.finish([first], [name])


def test_in_place_chain_keeps_its_answers(check: Any) -> None:
    check(
        _chain(Unary(UnaryFunction.LEAKY_RELU, 0.1), Binary(BinaryFunction.ADD), Unary(UnaryFunction.RELU)), "rv32imc"
    )


def test_reshaped_input_that_is_used_twice_is_not_overwritten(check: Any) -> None:
    builder = GraphBuilder()
    given = Quantization.per_tensor(0.05, -7)
    x = builder.variable("x", (1, 4, 6), DataType.INT8, given)
    flat = builder.add(kinds.Reshape((1, 24)), [x], "flat", quantization=given)
    halved = builder.add(Unary(UnaryFunction.LEAKY_RELU, 0.5), [flat], "halved", quantization=given)
    back = builder.add(kinds.Reshape((1, 4, 6)), [halved], "back", quantization=given)
    total = builder.add(Binary(BinaryFunction.ADD), [back, x], "total", quantization=given)
    check(builder.finish([x], [total]), "cortex-m4f")


def test_output_that_is_an_input_is_given_back(check: Any) -> None:
    check(_chain(kinds.Reshape((1, 32))), "cortex-m0plus")
