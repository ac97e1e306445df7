"""Weights of 4 bits, two in a byte: the kernel equals the interpreter on every core."""

from dataclasses import replace
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.native.arena import Step, plan_arena
from lwm2m_ml.compiler.backends.native.design import Design
from lwm2m_ml.compiler.backends.native.kernels.packed import Packed, packed
from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.selection import candidates
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.ir.kinds import Convolution, FullyConnected, Kind, Padding
from lwm2m_ml.compiler.proof import prove
from lwm2m_ml.compiler.targets import load_target


def _few_bits(graph: Graph) -> Graph:
    weights = graph.tensor("w")
    return graph.with_tensors([constant_tensor("w", weights.values // 16, weights.quantization)])


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
@pytest.mark.parametrize(
    ("kind", "shape", "weights"),
    [
        (FullyConnected(), (2, 31), (5, 31)),
        (FullyConnected(), (1, 8), (3, 8)),
        (Convolution((1, 2), Padding(1, 1, 0, 2)), (1, 6, 5, 3), (4, 3, 2, 3)),
        (Convolution(groups=2), (1, 4, 4, 6), (4, 2, 2, 3)),
    ],
)
def test_kernel_equals_the_interpreter(
    kind: Kind, shape: tuple[int, ...], weights: tuple[int, ...], target: str, layer: Any
) -> None:
    graph = _few_bits(layer(kind, [shape], weights=weights))
    core = load_target(target)
    step = Step(Layer(graph, graph.operations[0], core), Packed())
    payload = Design(graph, core, (step,), plan_arena(graph, (step,)), "size").payload()
    codes = numpy.random.default_rng(1).integers(-128, 128, (3, *shape)).astype(numpy.int8)
    assert prove(graph, payload, core, {graph.inputs[0]: codes}).exact


def test_only_weights_that_fit_are_packed(layer: Any) -> None:
    graph = layer(FullyConnected(), [(1, 8)], weights=(3, 8))
    core = load_target("cortex-m4f")
    small = _few_bits(graph)
    names = [{kernel.name for kernel in candidates(Layer(each, each.operations[0], core))} for each in (graph, small)]
    assert names[1] - names[0] == {Packed().name}
    wide = replace(small.tensor("w"), data=numpy.full((3, 8), 8, numpy.int8))
    assert not Packed().accepts(Layer(small.with_tensors([wide]), small.operations[0], core))


@given(st.lists(st.integers(-8, 7), min_size=1, max_size=9))
def test_pairs_come_back(codes: list[int]) -> None:
    pairs: NDArray[Any] = packed(numpy.array([codes], numpy.int8))
    assert pairs.shape == (1, (len(codes) + 1) // 2)
    restored = numpy.stack([(pairs << 4).astype(numpy.int8) >> 4, pairs >> 4], axis=-1).reshape(-1)
    assert restored[: len(codes)].tolist() == codes
