"""Dead-channel elimination: smaller graphs, the same answers."""

from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import DataType, Graph, Quantization, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import (
    AveragePool,
    Convolution,
    DepthwiseConvolution,
    FullyConnected,
    Padding,
    Reshape,
)
from lwm2m_ml.compiler.passes.dead_channels import EliminateDeadChannels
from lwm2m_ml.compiler.passes.pipeline import prune, simplify


def _network(seed: int, dead: float) -> Graph:
    """Convolution, depthwise, pointwise, pool, fully connected; a share of the filters is zero."""
    generator = numpy.random.default_rng(seed)
    builder = GraphBuilder()
    given_as, then = Quantization.per_tensor(0.05, -7), Quantization.per_tensor(0.05, -128)
    name = first = builder.variable("x", (1, 5, 4, 3), DataType.INT8, given_as)

    def layer(kind: Convolution | DepthwiseConvolution | FullyConnected, shape: tuple[int, ...], axis: int) -> str:
        channels = shape[axis]
        weights = generator.integers(-127, 128, shape).astype(numpy.int8)
        zero = generator.random(channels) < dead
        weights[(slice(None),) * axis + (zero,)] = 0
        quantization = Quantization((0.004,) * channels, (0,) * channels, axis)
        bias = generator.integers(-20_000, 20_000, channels).astype(numpy.int32)
        operands = [name, builder.constant("w", weights, quantization), builder.constant("b", bias)]
        return builder.add(kind, operands, "y", quantization=then)

    around = Padding(1, 1, 1, 1)
    name = layer(Convolution(padding=around), (6, 3, 3, 3), 0)
    name = layer(DepthwiseConvolution(padding=around), (3, 3, 6), 2)
    name = layer(Convolution(), (8, 1, 1, 6), 0)
    name = layer(Convolution(padding=around), (5, 3, 3, 8), 0)
    name = builder.add(AveragePool((5, 4), (1, 1)), [name], "p", quantization=then)
    name = builder.add(Reshape((1, 5)), [name], "r", quantization=then)
    return builder.finish([first], [layer(FullyConnected(), (4, 5), 0)])


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_answers_stay_the_same(seed: int, dead: float) -> None:
    graph = _network(seed, dead)
    smaller = EliminateDeadChannels().apply(graph)
    verify(smaller, after="dead-channel elimination")
    samples = numpy.random.default_rng(seed).integers(-128, 128, (3, 1, 5, 4, 3)).astype(numpy.int8)
    before, after = (run(each, {"x": samples})[each.outputs[0]] for each in (graph, smaller))
    numpy.testing.assert_array_equal(before, after)


def test_graph_without_dead_channels_is_left_alone() -> None:
    graph = _network(1, 0.0)
    assert EliminateDeadChannels().apply(graph) is graph


def test_most_of_a_sparse_model_goes(tiny_models: Path) -> None:
    graph = simplify(load_model(tiny_models / "vww_int8.tflite"))
    smaller = prune(graph)

    def weights(each: Graph) -> int:
        return sum(tensor.bytes for tensor in each.tensors.values() if tensor.is_constant and len(tensor.shape) > 1)

    assert weights(smaller) < 0.15 * weights(graph)


@pytest.mark.parametrize("name", ["kws", "ic", "ad"])
def test_dense_models_keep_every_channel(name: str, tiny_models: Path) -> None:
    graph = simplify(load_model(tiny_models / f"{name}_int8.tflite"))
    assert EliminateDeadChannels().apply(graph) is graph
