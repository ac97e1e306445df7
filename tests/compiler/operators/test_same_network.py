"""One network as PyTorch and TensorFlow write it to ONNX, as TFLite and as Keras: the same integer answers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lwm2m_ml.compiler.compilation import evaluate
from lwm2m_ml.compiler.errors import UnreadableModel
from lwm2m_ml.compiler.frontends.load import load_model, read_model

Array = NDArray[Any]
node = helper.make_node
_RELU, _SAME = schema.ActivationFunctionType.RELU, schema.Padding.SAME
_RANDOM = numpy.random.default_rng(11)
# Convolution (O, KH, KW, I), depthwise (KH, KW, C), connected (O, rows × columns × channels) weights and their biases.
WEIGHTS: dict[str, Array] = {
    name: (_RANDOM.standard_normal(shape) * 0.4).astype(numpy.float32)
    for name, shape in {
        "a": (6, 3, 3, 2),
        "a bias": (6,),
        "b": (3, 3, 6),
        "b bias": (6,),
        "c": (10, 4 * 4 * 6),
        "c bias": (10,),
    }.items()
}
SAMPLES = _RANDOM.random((40, 8, 8, 2)).astype(numpy.float32)


def _file(nodes: list[Any], constants: dict[str, Array], shape: list[Any], opset: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 10])],
        [numpy_helper.from_array(numpy.array(values, order="C"), name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _first() -> dict[str, Array]:
    """The weights channels first."""
    connected = WEIGHTS["c"].reshape(10, 4, 4, 6).transpose(0, 3, 1, 2).reshape(10, -1)
    convolution, depthwise = WEIGHTS["a"].transpose(0, 3, 1, 2), WEIGHTS["b"].transpose(2, 0, 1)[:, None]
    return {**WEIGHTS, "a": convolution, "b": depthwise, "c": connected}


def torch_style() -> bytes:
    """Channels first, an open batch, the flattened shape worked out from the batch's size."""
    nodes = [
        node("Conv", ["x", "a", "a bias"], ["1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["1"], ["2"]),
        node("MaxPool", ["2"], ["3"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["3", "b", "b bias"], ["4"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=6),
        node("Relu", ["4"], ["5"]),
        node("Shape", ["5"], ["6"]),
        node("Gather", ["6", "zero"], ["7"], axis=0),
        node("Unsqueeze", ["7", "axes"], ["8"]),
        node("Concat", ["8", "rest"], ["9"], axis=0),
        node("Reshape", ["5", "9"], ["10"]),
        node("Gemm", ["10", "c", "c bias"], ["11"], transB=1),
        node("Softmax", ["11"], ["y"], axis=1),
    ]
    more = {"zero": numpy.array(0), "axes": numpy.array([0]), "rest": numpy.array([-1])}
    return _file(nodes, {**_first(), **more}, ["batch", 2, 8, 8], 13)


def tensorflow_style() -> bytes:
    """Channels last outside, transposed around every layer; the connected layer as a product and an addition."""
    layers, last = _first(), WEIGHTS["c"]
    nodes = [
        node("Transpose", ["x"], ["0"], perm=[0, 3, 1, 2]),
        node("Conv", ["0", "a", "a bias"], ["1"], kernel_shape=[3, 3], auto_pad="SAME_UPPER"),
        node("Relu", ["1"], ["2"]),
        node("MaxPool", ["2"], ["3"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", ["3"], ["3 last"], perm=[0, 2, 3, 1]),
        node("Transpose", ["3 last"], ["3 first"], perm=[0, 3, 1, 2]),
        node("Conv", ["3 first", "b"], ["4"], kernel_shape=[3, 3], auto_pad="SAME_UPPER", group=6),
        node("Transpose", ["4"], ["4 last"], perm=[0, 2, 3, 1]),
        node("Add", ["4 last", "b bias"], ["5"]),
        node("Relu", ["5"], ["6"]),
        node("Reshape", ["6", "shape"], ["7"]),
        node("MatMul", ["7", "c"], ["8"]),
        node("Add", ["8", "c bias"], ["9"]),
        node("Softmax", ["9"], ["y"]),
    ]
    constants = {**layers, "c": last.T, "shape": numpy.array([-1, 96])}
    return _file(nodes, constants, ["unk__1", 8, 8, 2], 11)


def tflite_style(bench: Any) -> bytes:
    """Channels last, activations fused."""
    conv = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": _SAME}
    fused = {**conv, "fusedActivationFunction": _RELU}
    depthwise = bench.options("DepthwiseConv2DOptions", depthMultiplier=1, **fused)
    pool = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2, "padding": schema.Padding.VALID}
    constants = [bench.constant(WEIGHTS[name], "float32") for name in ("a", "a bias", "b", "b bias", "c", "c bias")]
    constants[2] = bench.constant(WEIGHTS["b"][None], "float32")
    results = [bench.real(shape) for shape in ((1, 8, 8, 6), (1, 4, 4, 6), (1, 4, 4, 6), (1, 10), (1, 10))]
    steps = [
        bench.step("CONV_2D", [0, 1, 2], [7], bench.options("Conv2DOptions", **fused)),
        bench.step("MAX_POOL_2D", [7], [8], bench.options("Pool2DOptions", **pool)),
        bench.step("DEPTHWISE_CONV_2D", [8, 3, 4], [9], depthwise),
        bench.step("FULLY_CONNECTED", [9, 5, 6], [10], bench.options("FullyConnectedOptions")),
        bench.step("SOFTMAX", [10], [11], bench.options("SoftmaxOptions", beta=1.0)),
    ]
    content: bytes = bench.write([bench.real((1, 8, 8, 2)), *constants, *results], steps, [0], [11])
    return content


def _answers(content: bytes) -> Array:
    """Integer answers for samples in the model's own layout, calibrated with the same samples."""
    graph = load_model(content)
    first = graph.tensor(graph.inputs[0]).shape[1] == 2
    samples = SAMPLES.transpose(0, 3, 1, 2) if first else SAMPLES
    return evaluate(content, samples, samples)


def test_onnx_of_both_kinds_and_tflite_give_the_same_integers(bench: Any) -> None:
    expected = _answers(tflite_style(bench))
    assert len(numpy.unique(expected)) > 50
    assert _answers(torch_style()).tolist() == expected.tolist()
    assert _answers(tensorflow_style()).tolist() == expected.tolist()


_MAKE = """
import sys, numpy, keras
from pathlib import Path
folder = Path(sys.argv[1])
weights = dict(numpy.load(folder / "weights.npz"))
layers = keras.layers
model = keras.Sequential([
    keras.Input((8, 8, 2)), layers.Conv2D(6, 3, padding="same", activation="relu"), layers.MaxPooling2D(2),
    layers.DepthwiseConv2D(3, padding="same", activation="relu"), layers.Flatten(), layers.Dense(10, "softmax")])
model.set_weights([weights["a"].transpose(1, 2, 3, 0), weights["a bias"], weights["b"][..., None], weights["b bias"],
                   weights["c"].T, weights["c bias"]])
model.save(folder / "model.keras")
model.save(folder / "model.h5")
model.export(folder / "saved", verbose=False)
unsafe = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x)])
unsafe.save(folder / "unsafe.keras")
unsafe.save(folder / "unsafe.h5")
"""


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network in Keras' three formats, and two files that hold a program."""
    folder = tmp_path_factory.mktemp("keras")
    arrays: dict[str, Any] = WEIGHTS
    numpy.savez(folder / "weights.npz", **arrays)
    done = subprocess.run([sys.executable, "-c", _MAKE, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["model.keras", "model.h5", "saved"])
def test_keras_in_every_format_gives_the_same_integers(
    name: str, keras_files: Path, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path))
    assert _answers(read_model(keras_files / name)).tolist() == _answers(tflite_style(bench)).tolist()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["unsafe.keras", "unsafe.h5"])
def test_programs_in_keras_files_are_never_run(name: str, keras_files: Path) -> None:
    with pytest.raises(UnreadableModel, match="Lambda"):
        load_model(keras_files / name)
