"""The kernels for cores without SIMD over shapes that are awkward for them: tails, short windows, limits, shifts."""

from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm2m_ml.compiler.arithmetic import Rounding, multiply
from lwm2m_ml.compiler.backends.native.arena import Step, plan_arena
from lwm2m_ml.compiler.backends.native.design import Design
from lwm2m_ml.compiler.backends.native.selection import candidates, select
from lwm2m_ml.compiler.ir import DataType, Graph, Quantization, kinds, verify
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Activation, Padding
from lwm2m_ml.compiler.proof import prove
from lwm2m_ml.compiler.targets import load_target

TARGETS = ("cortex-m0plus", "cortex-m3", "rv32imc", "host")
# The result's scale makes RELU6 limits that int8 alone does not have.
COARSE = Quantization.per_tensor(0.05, -20)

LAYERS: dict[str, tuple[kinds.Kind, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "pointwise": (kinds.Convolution(), (1, 4, 4, 8), (5, 1, 1, 8), {}),
    "one pixel": (kinds.Convolution(), (1, 1, 1, 4), (4, 1, 1, 4), {}),
    "one input": (kinds.Convolution(), (1, 3, 3, 1), (7, 1, 1, 1), {}),
    "pointwise of a batch": (kinds.Convolution(), (3, 3, 1, 5), (6, 1, 1, 5), {}),
    "pointwise with stride": (kinds.Convolution(stride=(2, 2)), (1, 7, 6, 5), (4, 1, 1, 5), {}),
    "window with padding": (kinds.Convolution(padding=Padding(1, 2, 0, 1)), (1, 6, 5, 3), (7, 3, 3, 3), {}),
    "window wider than the image": (kinds.Convolution(padding=Padding(2, 2, 3, 2)), (1, 2, 2, 2), (4, 5, 6, 2), {}),
    "window with stride and dilation": (
        kinds.Convolution(stride=(2, 1), dilation=(2, 1), padding=Padding(1, 0, 2, 1)),
        (1, 8, 9, 3),
        (4, 3, 3, 3),
        {},
    ),
    "limits of relu6": (
        kinds.Convolution(activation=Activation.RELU6),
        (1, 4, 4, 4),
        (4, 1, 1, 4),
        {"result": COARSE},
    ),
    "limits of relu": (kinds.Convolution(activation=Activation.RELU), (1, 3, 4, 4), (4, 2, 1, 4), {"result": COARSE}),
    "lowest zero point": (
        kinds.Convolution(activation=Activation.RELU),
        (1, 4, 4, 4),
        (4, 2, 2, 4),
        {"result": Quantization.per_tensor(0.02, -128)},
    ),
    "fully connected, rounding once": (kinds.FullyConnected(), (1, 33), (6, 33), {}),
    "fully connected, rounding twice": (kinds.FullyConnected(rounds_twice=True), (1, 33), (6, 33), {}),
    "fully connected, many rows": (kinds.FullyConnected(Activation.RELU), (5, 7), (9, 7), {}),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", LAYERS)
def test_products_of_columns(case: str, target: str, layer: Any) -> None:
    kind, image, weights, options = LAYERS[case]
    graph = layer(kind, [image], weights=weights, **options)
    assert prove_kernels(graph, target, "products") >= 1


@pytest.mark.parametrize("target", ["cortex-m0plus", "rv32imc"])
@pytest.mark.parametrize("size", [(1, 3, 3, 2), (1, 5, 6, 3), (1, 6, 5, 1), (1, 1, 1, 5), (1, 2, 9, 4)])
@pytest.mark.parametrize(
    ("stride", "padding"), [(1, Padding(1, 1, 1, 1)), (2, Padding(2, 1, 1, 2)), (3, Padding(1, 1, 1, 1))]
)
def test_depthwise(size: tuple[int, ...], padding: Padding, stride: int, target: str, layer: Any) -> None:
    kind = kinds.DepthwiseConvolution(stride=(stride, stride), padding=padding, activation=Activation.RELU6)
    graph = layer(kind, [size], weights=(3, 3, size[3]), result=COARSE)
    assert prove_kernels(graph, target, "depthwise 3×3") == 1


@pytest.mark.parametrize("target", TARGETS)
def test_layer_with_one_scale_for_all_channels(target: str) -> None:
    generator = numpy.random.default_rng(5)
    builder = GraphBuilder()
    x = builder.variable("x", (2, 19), DataType.INT8, Quantization.per_tensor(0.05, -7))
    weights = generator.integers(-127, 128, (7, 19)).astype(numpy.int8)
    w = builder.constant("w", weights, Quantization.per_tensor(0.004, 0))
    b = builder.constant("b", generator.integers(-3000, 3000, 7).astype(numpy.int32))
    y = builder.add(kinds.FullyConnected(), [x, w, b], "y", quantization=Quantization.per_tensor(0.06, 4))
    graph = builder.finish([x], [y])
    verify(graph, after="building the test")
    assert prove_kernels(graph, target, "products") >= 1


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_few_channels_fall_back_to_plain_code(channels: int, layer: Any, check: Any) -> None:
    graph = layer(kinds.Convolution(), [(1, 3, 3, 4)], weights=(channels, 1, 1, 4))
    (step,) = select(graph, load_target("cortex-m0plus"), "balanced")
    assert step.kernel.name == "convolution, plain C"
    check(graph, "cortex-m0plus")


def test_left_shifts_fall_back_to_plain_code(layer: Any, check: Any) -> None:
    graph = layer(kinds.Convolution(), [(1, 3, 3, 4)], weights=(4, 1, 1, 4), shift=14)
    (step,) = select(graph, load_target("rv32imc"), "balanced")
    assert step.kernel.name == "convolution, plain C"
    check(graph, "rv32imc")


@given(st.integers(-(2**28) + 1, 2**28 - 1), st.integers(2**30, 2**31 - 1), st.integers(1, 20))
def test_product_of_halves_is_the_whole_product(total: int, multiplier: int, shift: int) -> None:
    """The formula of the C text, in integers that would show a partial product beyond 32 bits."""
    lower = (total & 0xFFFF) - (total & 0x8000) * 2
    upper = (total - lower) >> 16
    low, high = multiplier & 0xFFFF, multiplier >> 16
    for rounding, nudge in ((Rounding.DOUBLE, 1 << 14), (Rounding.SINGLE, 0)):
        partial = [lower * low, (lower * low) >> 16, lower * high, upper * low, upper * high * 2]
        middle = partial[1] + partial[2] + partial[3] + nudge
        value = partial[4] + (middle >> 15)
        assert all(-(2**31) <= number < 2**31 for number in (*partial, middle, value))
        away = value >> 31 if rounding is Rounding.DOUBLE else 0
        scaled = (value + away + ((1 << shift) >> 1)) >> shift
        assert scaled == int(multiply(numpy.array(total), multiplier, -shift, rounding))


_CHAIN = st.lists(
    st.tuples(st.sampled_from(["pointwise", "depthwise", "window"]), st.integers(1, 9), st.sampled_from([1, 1, 1, 2])),
    min_size=2,
    max_size=5,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)), _CHAIN, st.integers(0, 99))
def test_chains_that_overwrite_their_operands_stay_exact(
    check: Any, size: tuple[int, int, int], layers: list[tuple[str, int, int]], seed: int
) -> None:
    graph = chain((1, *size), layers, seed)
    for target in ("cortex-m0plus", "rv32imc"):
        check(graph, target)


def prove_kernels(graph: Graph, target: str, name: str) -> int:
    """Build with each candidate of that name, in both forms of its driver; how many there are."""
    core = load_target(target)
    generator = numpy.random.default_rng(1)
    inputs = {
        tensor: generator.integers(-128, 128, (2, *graph.tensor(tensor).shape)).astype(numpy.int8)
        for tensor in graph.inputs
    }
    found = 0
    for optimize, c_optimization in (("balanced", "size"), ("speed", "speed"), ("size", "size")):
        (step,) = select(graph, core, optimize)
        kernels = [kernel for kernel in candidates(step.layer) if kernel.name.startswith(name)]
        for kernel in kernels:
            steps = (Step(step.layer, kernel),)
            payload = Design(graph, core, steps, plan_arena(graph, steps), c_optimization).payload()
            assert prove(graph, payload, core, inputs).exact
        found = len(kernels)
    return found


def chain(shape: tuple[int, ...], layers: list[tuple[str, int, int]], seed: int) -> Graph:
    """Layers one behind the other: (kind, output channels, stride)."""
    generator = numpy.random.default_rng(seed)
    builder = GraphBuilder()
    name = first = builder.variable("x", shape, DataType.INT8, Quantization.per_tensor(0.05, -7))
    for kind_name, wanted, stride in layers:
        channels = builder.tensors[name].shape[3]
        outputs = channels if kind_name == "depthwise" else wanted
        size = 1 if kind_name == "pointwise" else 3
        padding = Padding(1, 1, 1, 1) if size > 1 else Padding()
        kind: kinds.Kind = kinds.Convolution((stride, stride), padding, activation=Activation.RELU)
        weights, axis = generator.integers(-127, 128, (outputs, size, size, channels)), 0
        if kind_name == "depthwise":
            kind = kinds.DepthwiseConvolution((stride, stride), padding, activation=Activation.RELU)
            weights, axis = generator.integers(-127, 128, (3, 3, channels)), 2
        scales = tuple(float(s) for s in generator.uniform(0.002, 0.004, outputs).astype(numpy.float32))
        w = builder.constant("w", weights.astype(numpy.int8), Quantization(scales, (0,) * outputs, axis))
        b = builder.constant("b", generator.integers(-3000, 3000, outputs).astype(numpy.int32))
        name = builder.add(kind, [name, w, b], "y", quantization=Quantization.per_tensor(0.05, -128))
    graph = builder.finish([first], [name])
    verify(graph, after="building the test")
    return graph
