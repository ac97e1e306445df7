"""Single int8 layers with random values, and a check of a graph on the emulated core."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.ir import DataType, Graph, Quantization, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Kind
from lwm2m_ml.compiler.proof import prove
from lwm2m_ml.compiler.targets import load_target

LayerMaker = Callable[..., Graph]
ModuleCheck = Callable[..., None]


def make_layer(
    kind: Kind,
    shapes: Sequence[Sequence[int]],
    *,
    weights: Sequence[int] | None = None,
    zero_point: int = -7,
    result: Quantization | None = None,
    shift: int = 0,
) -> Graph:
    """A graph of one operation; with `weights` it is a layer with random weights and bias of that shape."""
    generator = numpy.random.default_rng(sum(map(sum, shapes)))
    builder = GraphBuilder()
    given = Quantization.per_tensor(0.05, zero_point)
    operands = [builder.variable(f"x{index}", shape, DataType.INT8, given) for index, shape in enumerate(shapes)]
    inputs = list(operands)
    if weights is not None:
        axis = 2 if len(weights) == 3 else 0
        channels = weights[axis]
        values = generator.integers(-127, 128, weights).astype(numpy.int8)
        scales = tuple(float(scale) for scale in generator.uniform(0.002, 0.01, channels).astype(numpy.float32))
        bias = generator.integers(-3000, 3000, channels).astype(numpy.int32)
        operands.append(builder.constant("w", values, Quantization(scales, (0,) * channels, axis)))
        operands.append(builder.constant("b", bias))
        result = result or Quantization.per_tensor(0.05 * 2.0**-shift, 11)
    output = builder.add(kind, operands, "y", quantization=result or given)
    graph = builder.finish(inputs, [output])
    verify(graph, after="building the test")
    return graph


def check_module(graph: Graph, target: str, *, optimize: str = "balanced", samples: int = 2) -> None:
    """Compile and run; raises ProofFailed when an answer differs from the integer interpreter's."""
    core = load_target(target)
    payload = best_design(graph, core, optimize).payload()
    generator = numpy.random.default_rng(1)
    inputs: dict[str, NDArray[Any]] = {
        name: generator.integers(-128, 128, (samples, *graph.tensor(name).shape)).astype(numpy.int8)
        for name in graph.inputs
    }
    assert prove(graph, payload, core, inputs).exact


@pytest.fixture(scope="session")
def layer() -> LayerMaker:
    """Makes a graph of one operation."""
    return make_layer


@pytest.fixture(scope="session")
def check() -> ModuleCheck:
    """Compiles a graph, runs it on an emulated core and compares."""
    return check_module
