"""The Armv7E-M kernels over shapes that are awkward for them: odd channels, short rows, tails, limits, shifts."""

from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm2m_ml.compiler.backends.native.fusion import fuse_where_it_saves
from lwm2m_ml.compiler.backends.native.kernels.armv7em.stream import channel_pairs, pack_pair
from lwm2m_ml.compiler.backends.native.selection import select
from lwm2m_ml.compiler.ir import DataType, Graph, Quantization, kinds, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Activation, Padding
from lwm2m_ml.compiler.targets import load_target

# The result's scale makes RELU6 limits that int8 alone does not have.
COARSE = Quantization.per_tensor(0.05, -20)

CONVOLUTIONS: dict[str, tuple[kinds.Convolution, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "odd channels": (kinds.Convolution(), (1, 4, 4, 8), (5, 1, 1, 8), {}),
    "two channels of one pixel": (kinds.Convolution(), (1, 1, 1, 4), (2, 1, 1, 4), {}),
    "three channels": (kinds.Convolution(), (1, 3, 3, 7), (3, 1, 1, 7), {}),
    "inputs not in fours": (kinds.Convolution(), (1, 5, 3, 6), (4, 1, 1, 6), {}),
    "pointwise with stride": (kinds.Convolution(stride=(2, 2)), (1, 7, 6, 5), (4, 1, 1, 5), {}),
    "words with padding": (kinds.Convolution(padding=Padding(1, 1, 1, 1)), (1, 5, 5, 4), (6, 3, 3, 4), {}),
    "words with stride and dilation": (
        kinds.Convolution(stride=(2, 1), dilation=(1, 2), padding=Padding(1, 0, 2, 1)),
        (1, 8, 9, 8),
        (4, 3, 3, 8),
        {},
    ),
    "bytes with padding": (kinds.Convolution(padding=Padding(1, 2, 0, 1)), (1, 6, 5, 3), (7, 3, 3, 3), {}),
    "limits of relu6": (
        kinds.Convolution(activation=Activation.RELU6),
        (1, 4, 4, 4),
        (4, 1, 1, 4),
        {"result": COARSE},
    ),
    "limits of relu": (kinds.Convolution(activation=Activation.RELU), (1, 4, 4, 4), (4, 1, 1, 4), {"result": COARSE}),
    "lowest zero point": (
        kinds.Convolution(activation=Activation.RELU),
        (1, 4, 4, 4),
        (4, 2, 2, 4),
        {"result": Quantization.per_tensor(0.02, -128)},
    ),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(case: str, layer: Any, check: Any) -> None:
    kind, image, weights, options = CONVOLUTIONS[case]
    graph = layer(kind, [image], weights=weights, **options)
    (step,) = select(graph, load_target("cortex-m4f"), "balanced")
    assert step.kernel.name == "convolution, SMLAD 2×3"
    check(graph, "cortex-m4f")


@pytest.mark.parametrize("size", [(1, 3, 3, 2), (1, 5, 6, 3), (1, 6, 5, 1), (1, 1, 1, 5), (1, 2, 9, 4)])
@pytest.mark.parametrize(
    ("stride", "padding"),
    [
        ((1, 1), Padding(1, 1, 1, 1)),
        ((2, 2), Padding(0, 1, 0, 1)),
        ((2, 2), Padding(1, 1, 1, 1)),
        ((1, 1), Padding(2, 0, 0, 2)),
    ],
)
def test_depthwise(size: tuple[int, ...], stride: tuple[int, int], padding: Padding, layer: Any, check: Any) -> None:
    kind = kinds.DepthwiseConvolution(stride=stride, padding=padding)
    if size[1] + padding.top + padding.bottom < 3 or size[2] + padding.left + padding.right < 3:
        kind = kinds.DepthwiseConvolution(stride=stride, padding=Padding(1, 1, 1, 1))
    graph = layer(kind, [size], weights=(3, 3, size[3]))
    (step,) = select(graph, load_target("cortex-m4f"), "balanced")
    assert step.kernel.name == "depthwise 3×3, SMLAD"
    check(graph, "cortex-m4f")


@pytest.mark.parametrize("activation", [Activation.RELU, Activation.RELU6])
def test_depthwise_limits(activation: Activation, layer: Any, check: Any) -> None:
    kind = kinds.DepthwiseConvolution(padding=Padding(1, 1, 1, 1), activation=activation)
    check(layer(kind, [(1, 5, 5, 3)], weights=(3, 3, 3), result=COARSE), "cortex-m4f")


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 1), (8, 4), (12, 6), (640, 5), (36, 10)])
def test_fully_connected(inputs: int, outputs: int, layer: Any, check: Any) -> None:
    graph = layer(kinds.FullyConnected(), [(1, inputs)], weights=(outputs, inputs))
    (step,) = select(graph, load_target("cortex-m4f"), "balanced")
    assert step.kernel.name == "fully connected, SMLAD 4"
    check(graph, "cortex-m4f")


def test_shifts_beyond_the_packed_form_fall_back_to_plain_code(layer: Any, check: Any) -> None:
    graph = layer(kinds.Convolution(), [(1, 3, 3, 4)], weights=(4, 1, 1, 4), shift=14)
    (step,) = select(graph, load_target("cortex-m4f"), "balanced")
    assert step.kernel.name == "convolution, plain C"
    check(graph, "cortex-m4f")


def _network(shape: tuple[int, ...], layers: list[tuple[str, int, int]], seed: int) -> Graph:
    """A chain of layers: (kind, output channels, stride)."""
    generator = numpy.random.default_rng(seed)
    builder = GraphBuilder()
    name = first = builder.variable("x", shape, DataType.INT8, Quantization.per_tensor(0.05, -7))
    for kind_name, outputs, stride in layers:
        channels = builder.tensors[name].shape[3]
        pad = Padding(1, 1, 1, 1)
        if kind_name == "depthwise":
            outputs = channels  # noqa: PLW2901
            kind: kinds.Kind = kinds.DepthwiseConvolution((stride, stride), pad, activation=Activation.RELU)
            weights = generator.integers(-127, 128, (3, 3, channels))
            axis = 2
        else:
            size = 1 if kind_name == "pointwise" else 3
            kind = kinds.Convolution((stride, stride), pad if size == 3 else Padding(), activation=Activation.RELU)
            weights = generator.integers(-127, 128, (outputs, size, size, channels))
            axis = 0
        scales = tuple(float(s) for s in generator.uniform(0.002, 0.004, outputs).astype(numpy.float32))
        w = builder.constant("w", weights.astype(numpy.int8), Quantization(scales, (0,) * outputs, axis))
        b = builder.constant("b", generator.integers(-3000, 3000, outputs).astype(numpy.int32))
        name = builder.add(kind, [name, w, b], "y", quantization=Quantization.per_tensor(0.05, -128))
    graph = builder.finish([first], [name])
    verify(graph, after="building the test")
    return graph


_LAYERS = st.tuples(
    st.sampled_from(["pointwise", "depthwise", "window"]), st.integers(2, 9), st.sampled_from([1, 1, 1, 2])
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(_LAYERS, min_size=2, max_size=5),
    st.integers(0, 99),
)
def test_chains_that_overwrite_their_operands_stay_exact(
    check: Any, height: int, width: int, channels: int, layers: list[tuple[str, int, int]], seed: int
) -> None:
    check(_network((1, height, width, channels), layers, seed), "cortex-m4f")


def test_large_tensor_between_pointwise_and_depthwise_is_never_in_memory(check: Any) -> None:
    graph = _network((1, 12, 12, 8), [("window", 8, 1), ("pointwise", 24, 1), ("depthwise", 24, 2)], 4)
    steps = select(graph, load_target("cortex-m4f"), "balanced")
    fused, arena = fuse_where_it_saves(graph, steps)
    assert len(fused) == len(steps) - 1
    assert arena.plan.arena_bytes < 12 * 12 * 24
    check(graph, "cortex-m4f")


def test_packed_word_gives_back_both_weights() -> None:
    (word,) = pack_pair(numpy.array([-127, 5]), numpy.array([127, -128]), [(0, 1)])
    low = int(numpy.int16(numpy.uint16(int(word) & 0xFFFF).astype(numpy.int16)))
    high = int(numpy.uint16(int(word) >> 16).astype(numpy.int16))
    assert (low, high) == (256 * -127 + 127, 256 * 5 - 128)


def test_every_channel_is_computed() -> None:
    for channels in range(2, 9):
        assert {channel for pair in channel_pairs(channels) for channel in pair} == set(range(channels))
