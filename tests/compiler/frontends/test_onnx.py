"""ONNX models computed by the graph's float interpreter, against ONNX Runtime; and files that must be refused."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from lwm2m_ml.compiler.errors import (
    CyclicModel,
    ModelTooLarge,
    UnreadableModel,
    UnsupportedOperator,
    WrongShape,
)
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.errors import InvalidInputError

node = helper.make_node
MakeModel = Callable[..., bytes]
_RANDOM = numpy.random.default_rng(11)


def _weights(*shape: int) -> NDArray[numpy.float32]:
    return _RANDOM.standard_normal(shape).astype(numpy.float32)


def _longs(*values: int) -> NDArray[numpy.int64]:
    return numpy.array(values, numpy.int64)


IMAGE = (1, 4, 9, 7)
CASES: dict[str, tuple[list[Any], dict[str, Any], tuple[int, ...]]] = {
    "conv stride pads": (
        [node("Conv", ["x", "w", "b"], ["y"], strides=[2, 1], pads=[1, 2, 0, 1])],
        {"w": _weights(5, 4, 3, 2), "b": _weights(5)},
        IMAGE,
    ),
    "conv dilation": ([node("Conv", ["x", "w"], ["y"], dilations=[2, 3])], {"w": _weights(2, 4, 3, 2)}, IMAGE),
    "conv groups": ([node("Conv", ["x", "w"], ["y"], group=2)], {"w": _weights(6, 2, 3, 3)}, IMAGE),
    "conv depthwise": (
        [node("Conv", ["x", "w"], ["y"], group=4, auto_pad="SAME_UPPER", strides=[2, 2])],
        {"w": _weights(8, 1, 3, 3)},
        IMAGE,
    ),
    "conv same lower": (
        [node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[2, 2])],
        {"w": _weights(3, 4, 2, 2)},
        IMAGE,
    ),
    "conv 1d": ([node("Conv", ["x", "w"], ["y"], pads=[1, 1])], {"w": _weights(3, 4, 3)}, (1, 4, 10)),
    "max pool": (
        [node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])],
        {},
        IMAGE,
    ),
    "max pool ceil": (
        [node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)],
        {},
        IMAGE,
    ),
    "average pool": (
        [node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])],
        {},
        IMAGE,
    ),
    "average pool with padding": (
        [node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
        {},
        IMAGE,
    ),
    "global average": ([node("GlobalAveragePool", ["x"], ["y"])], {}, IMAGE),
    "global max": ([node("GlobalMaxPool", ["x"], ["y"])], {}, IMAGE),
    "batch normalisation": (
        [node("BatchNormalization", ["x", "s", "o", "m", "v"], ["y"], epsilon=0.01)],
        {"s": _weights(4), "o": _weights(4), "m": _weights(4), "v": abs(_weights(4))},
        IMAGE,
    ),
    "conv batch normalisation relu": (
        [
            node("Conv", ["x", "w"], ["c"]),
            node("BatchNormalization", ["c", "s", "o", "m", "v"], ["n"]),
            node("Relu", ["n"], ["y"]),
        ],
        {"w": _weights(4, 4, 3, 3), "s": _weights(4), "o": _weights(4), "m": _weights(4), "v": abs(_weights(4))},
        IMAGE,
    ),
    "flatten": ([node("Flatten", ["x"], ["y"])], {}, IMAGE),
    "flatten gemm": (
        [node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "w", "b"], ["y"], transB=1, alpha=0.5, beta=2.0)],
        {"w": _weights(5, 252), "b": _weights(5)},
        IMAGE,
    ),
    "reshape back to an image": ([node("Reshape", ["x", "s"], ["y"])], {"s": _longs(1, 6, -1, 7)}, IMAGE),
    "reshape keeps with zero": ([node("Reshape", ["x", "s"], ["y"])], {"s": _longs(0, 0, 63)}, IMAGE),
    "matmul": ([node("MatMul", ["x", "w"], ["y"])], {"w": _weights(6, 3)}, (1, 6)),
    "matmul of images": ([node("MatMul", ["x", "w"], ["y"])], {"w": _weights(7, 3)}, IMAGE),
    "transpose": ([node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1])], {}, IMAGE),
    "transpose twice": (
        [node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]), node("Transpose", ["t"], ["y"], perm=[0, 3, 1, 2])],
        {},
        IMAGE,
    ),
    "add channel constant": ([node("Add", ["x", "c"], ["y"])], {"c": _weights(4, 1, 1)}, IMAGE),
    "multiply itself": ([node("Mul", ["x", "x"], ["y"])], {}, IMAGE),
    "subtract from scalar": ([node("Sub", ["c", "x"], ["y"])], {"c": _weights(1)}, IMAGE),
    "concatenate channels": (
        [node("Relu", ["x"], ["r"]), node("Concat", ["x", "r"], ["y"], axis=1)],
        {},
        IMAGE,
    ),
    "concatenate rows": ([node("Relu", ["x"], ["r"]), node("Concat", ["x", "r"], ["y"], axis=-2)], {}, IMAGE),
    "slice": (
        [node("Slice", ["x", "b", "e", "a", "s"], ["y"])],
        {"b": _longs(1, -6), "e": _longs(4, 1000), "a": _longs(1, 3), "s": _longs(1, 2)},
        IMAGE,
    ),
    "split": (
        [node("Split", ["x", "l"], ["p", "q"], axis=1), node("Concat", ["q", "p"], ["y"], axis=1)],
        {"l": _longs(1, 3)},
        IMAGE,
    ),
    "pad": ([node("Pad", ["x", "p"], ["y"])], {"p": _longs(0, 1, 2, 0, 0, 0, 1, 3)}, IMAGE),
    "pad conv": (
        [node("Pad", ["x", "p"], ["q"]), node("Conv", ["q", "w"], ["y"], pads=[1, 0, 0, 0])],
        {"p": _longs(0, 0, 2, 0, 0, 0, 1, 3), "w": _weights(2, 4, 3, 3)},
        IMAGE,
    ),
    "squeeze unsqueeze": (
        [
            node("GlobalAveragePool", ["x"], ["g"]),
            node("Squeeze", ["g", "a"], ["s"]),
            node("Unsqueeze", ["s", "b"], ["y"]),
        ],
        {"a": _longs(2, 3), "b": _longs(-1)},
        IMAGE,
    ),
    "mean over the image": ([node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)], {}, IMAGE),
    "softmax": ([node("Softmax", ["x"], ["y"])], {}, (1, 6)),
    "softmax of channels": ([node("Softmax", ["x"], ["y"], axis=1)], {}, IMAGE),
    "leaky relu": ([node("LeakyRelu", ["x"], ["y"], alpha=0.3)], {}, IMAGE),
    "sigmoid tanh": ([node("Sigmoid", ["x"], ["s"]), node("Tanh", ["s"], ["y"])], {}, IMAGE),
    "hard swish": ([node("HardSwish", ["x"], ["y"])], {}, IMAGE),
    "clip to six": (
        [node("Clip", ["x", "a", "b"], ["y"])],
        {"a": numpy.float32(0), "b": numpy.float32(6)},
        IMAGE,
    ),
    "identity dropout": (
        [node("Dropout", ["x"], ["d"]), node("Identity", ["d"], ["i"]), node("Relu", ["i"], ["y"])],
        {},
        IMAGE,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_float_answers_equal_onnx_runtimes(case: str, make_model: MakeModel) -> None:
    nodes, constants, shape = CASES[case]
    model = make_model(nodes, {name: numpy.asarray(values) for name, values in constants.items()}, shape)
    sample = _weights(*shape)
    (expected,) = onnxruntime.InferenceSession(model).run(None, {"x": sample})
    for graph in (load_model(model), simplify(load_model(model))):
        answer = run(graph, {graph.inputs[0]: sample[None]})[graph.outputs[0]][0]
        assert answer.shape == expected.shape
        numpy.testing.assert_allclose(answer, expected, rtol=2e-4, atol=2e-5)


def test_unsupported_operator_is_named_with_its_place(make_model: MakeModel) -> None:
    model = make_model([node("Erf", ["x"], ["y"], name="layer/17")], {}, IMAGE)
    with pytest.raises(UnsupportedOperator, match=r"Erf at 'layer/17'.*These work: .*Conv"):
        load_model(model)


def test_weights_computed_by_the_model_are_refused(make_model: MakeModel) -> None:
    model = make_model([node("Conv", ["x", "x"], ["y"])], {}, (3, 3, 3, 3))
    with pytest.raises(UnsupportedOperator, match="must be a constant"):
        load_model(model)


def test_shapes_that_do_not_fit_are_refused(make_model: MakeModel) -> None:
    model = make_model([node("Gemm", ["x", "w"], ["y"])], {"w": _weights(5, 2)}, (1, 6))
    with pytest.raises(WrongShape, match=r"Gemm"):
        load_model(model)


def test_window_larger_than_the_image_is_refused(make_model: MakeModel) -> None:
    model = make_model([node("MaxPool", ["x"], ["y"], kernel_shape=[50, 50])], {}, IMAGE)
    with pytest.raises(WrongShape):
        load_model(model)


def test_cycle_is_refused(make_model: MakeModel) -> None:
    model = make_model(
        [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])], {}, IMAGE
    )
    with pytest.raises(CyclicModel):
        load_model(model)


def test_nodes_out_of_order_are_sorted(make_model: MakeModel) -> None:
    nodes = [node("Relu", ["a"], ["y"]), node("Add", ["x", "x"], ["a"])]
    assert [operation.kind_name for operation in load_model(make_model(nodes, {}, IMAGE)).operations] == [
        "Transpose",
        "Binary",
        "Unary",
        "Transpose",
    ]


@pytest.mark.parametrize("shape", [(1, 1 << 31), (1 << 20, 1 << 20), (1, 3, 1 << 15, 1 << 15)])
def test_absurd_shapes_are_refused(make_model: MakeModel, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelTooLarge):
        load_model(make_model([node("Relu", ["x"], ["y"])], {}, shape))


def test_absurd_reshape_and_padding_are_refused(make_model: MakeModel) -> None:
    with pytest.raises(InvalidInputError):
        load_model(make_model([node("Reshape", ["x", "s"], ["y"])], {"s": _longs(1 << 31, 1)}, IMAGE))
    with pytest.raises(InvalidInputError):
        load_model(make_model([node("Pad", ["x", "p"], ["y"])], {"p": _longs(0, 0, 0, 0, 0, 0, 0, 1 << 40)}, IMAGE))


def test_absurd_initializer_is_refused_without_taking_memory(make_model: MakeModel) -> None:
    model = onnx.load_model_from_string(make_model([node("Relu", ["x"], ["y"])], {}, IMAGE))
    model.graph.initializer.append(TensorProto(name="w", dims=[1 << 31], data_type=TensorProto.FLOAT))
    with pytest.raises(ModelTooLarge):
        load_model(model.SerializeToString())


def test_absurd_padding_of_a_window_is_refused(make_model: MakeModel) -> None:
    nodes = [node("Conv", ["x", "w"], ["y"], pads=[1 << 29, 0, 1 << 29, 0], strides=[1 << 29, 1])]
    with pytest.raises(ModelTooLarge):
        load_model(make_model(nodes, {"w": _weights(1, 4, 1, 1)}, IMAGE))


def test_weights_in_another_file_are_refused(make_model: MakeModel) -> None:
    model = onnx.load_model_from_string(make_model([node("Relu", ["x"], ["y"])], {}, IMAGE))
    outside = TensorProto(name="w", dims=[1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/etc/passwd")
    model.graph.initializer.append(outside)
    with pytest.raises(UnreadableModel, match="another file"):
        load_model(model.SerializeToString())


def test_open_batch_is_one_sample(make_model: MakeModel) -> None:
    model = onnx.load_model_from_string(make_model([node("Relu", ["x"], ["y"])], {}, (1, 5)))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    graph = load_model(model.SerializeToString())
    assert graph.tensor(graph.inputs[0]).shape == (1, 5)


def test_open_height_is_refused(make_model: MakeModel) -> None:
    model = onnx.load_model_from_string(make_model([node("Relu", ["x"], ["y"])], {}, IMAGE))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(WrongShape, match="axis 2"):
        load_model(model.SerializeToString())


@given(st.data())
def test_damaged_files_give_no_other_error(digits_network: bytes, data: st.DataObject) -> None:
    content = bytearray(digits_network)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        with contextlib.suppress(InvalidInputError):
            load_model(damaged)
