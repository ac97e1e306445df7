"""Models made on the spot, and where the shared data lies."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# The first compilation of a kernel takes longer than the next ones, so examples have no deadline.
settings.register_profile("compiler", deadline=None)
settings.load_profile("compiler")

Floats = NDArray[numpy.float32]
MakeModel = Callable[..., bytes]


def _shared() -> Path:
    named = os.environ.get("LWM2M_ML_SHARED")
    return Path(named) if named else Path(__file__).parents[2].parent / "shared"


@pytest.fixture(scope="session")
def tiny_models() -> Path:
    """The folder of MLPerf Tiny models."""
    folder = _shared() / "models" / "mlperf-tiny"
    if not folder.is_dir():
        pytest.skip("the MLPerf Tiny models are not here; set LWM2M_ML_SHARED")
    return folder


def onnx_model(
    nodes: Sequence[Any],
    constants: dict[str, NDArray[Any]],
    shape: Sequence[int],
    *,
    output: str = "y",
    opset: int = 17,
) -> bytes:
    """An ONNX file with input x and output y."""
    graph = helper.make_graph(
        list(nodes),
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """Makes an ONNX file of nodes, constants and an input shape."""
    return onnx_model


@pytest.fixture(scope="session")
def digits_network() -> bytes:
    """A small network with every operator of the digits models; its weights are random but seeded."""
    return _network(4)


def _network(channels: int) -> bytes:
    generator = numpy.random.default_rng(7)

    def weights(*shape: int) -> Floats:
        return (generator.standard_normal(shape) * 0.4).astype(numpy.float32)

    twice = 2 * channels
    constants = {
        "w1": weights(channels, 1, 3, 3),
        "b1": weights(channels),
        "scale": 1 + weights(channels),
        "offset": weights(channels),
        "mean": weights(channels),
        "variance": 1 + numpy.abs(weights(channels)),
        "w2": weights(twice, channels, 3, 3),
        "b2": weights(twice),
        "w3": weights(twice, 1, 3, 3),
        "b3": weights(twice),
        "w4": weights(10, twice * 4),
        "b4": weights(10),
    }
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c1", "scale", "offset", "mean", "variance"], ["n1"]),
        node("Relu", ["n1"], ["r1"]),
        node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1]),
        node("Relu", ["c2"], ["r2"]),
        node("Conv", ["r2", "w3", "b3"], ["c3"], pads=[1, 1, 1, 1], group=twice),
        node("Relu", ["c3"], ["r3"]),
        node("Add", ["r3", "r2"], ["a"]),
        node("AveragePool", ["a"], ["p2"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p2"], ["f"]),
        node("Gemm", ["f", "w4", "b4"], ["g"], transB=1),
        node("Softmax", ["g"], ["y"]),
    ]
    return onnx_model(nodes, constants, [1, 1, 8, 8])


@pytest.fixture(scope="session")
def digits_samples() -> Floats:
    """Random images in 0…1 of the digits' shape, with pixels in sixteenths."""
    generator = numpy.random.default_rng(3)
    return (generator.integers(0, 17, (40, 1, 1, 8, 8)) / 16).astype(numpy.float32)
