"""A network whose last two layers can be trained, and the exact network's answers in float64."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy
import onnx
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.ir import Graph

Floats = NDArray[numpy.float32]
INPUTS, HIDDEN, CLASSES = 12, 7, 4


@pytest.fixture(scope="session")
def perceptron(make_model: Callable[..., bytes]) -> bytes:
    """Fully connected layers 16 → 12 → 7 → 4 with rectifiers between them, and a softmax."""
    generator = numpy.random.default_rng(5)
    sizes = [16, INPUTS, HIDDEN, CLASSES]
    node = onnx.helper.make_node
    constants: dict[str, NDArray[Any]] = {}
    nodes = []
    before = "x"
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        constants[f"w{number}"] = (generator.standard_normal((outputs, inputs)) * 0.5).astype(numpy.float32)
        constants[f"b{number}"] = (generator.standard_normal(outputs) * 0.1).astype(numpy.float32)
        nodes.append(node("Gemm", [before, f"w{number}", f"b{number}"], [f"g{number}"], transB=1))
        before = f"g{number}"
        if number < len(sizes) - 2:
            nodes.append(node("Relu", [before], [f"r{number}"]))
            before = f"r{number}"
    nodes.append(node("Softmax", [before], ["y"]))
    return make_model(nodes, constants, [1, 16])


@pytest.fixture(scope="session")
def samples() -> Floats:
    """Random inputs of the perceptron."""
    return numpy.random.default_rng(6).standard_normal((24, 1, 16)).astype(numpy.float32)


@pytest.fixture(scope="session")
def quantised(perceptron: bytes, samples: Floats) -> Graph:
    """The perceptron in int8."""
    return integer_graph(perceptron, samples, "litert")[0]
