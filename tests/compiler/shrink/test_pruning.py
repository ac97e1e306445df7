"""Channels leave a network, and what stays computes what it computed before."""

from collections.abc import Callable

import numpy
import pytest
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.backends.native.arena import plan_arena
from lwm2m_ml.compiler.backends.native.design import Design
from lwm2m_ml.compiler.backends.native.selection import select
from lwm2m_ml.compiler.compilation import float_graph, integer_graph
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.onnx_writer import write_onnx
from lwm2m_ml.compiler.shrink.channels import find_channels
from lwm2m_ml.compiler.shrink.pruning import most_important, without_channels
from lwm2m_ml.compiler.shrink.sensitivity import (
    SHARES,
    Sensitivity,
    by_sensitivity,
    measure_sensitivity,
    uniform,
    weight_count,
)
from lwm2m_ml.compiler.targets import load_target

node = helper.make_node
MakeModel = Callable[..., bytes]
Floats = NDArray[numpy.float32]


@pytest.fixture
def residual(make_model: MakeModel) -> Graph:
    """A convolution, a branch with a depthwise layer added to it, a mean, two connected layers."""
    generator = numpy.random.default_rng(1)

    def weights(*shape: int) -> Floats:
        return generator.standard_normal(shape).astype(numpy.float32)

    nodes = [
        node("Conv", ["x", "a", "a1"], ["1"], pads=[1, 1, 1, 1]),
        node("Relu", ["1"], ["2"]),
        node("Conv", ["2", "b", "b1"], ["3"], pads=[1, 1, 1, 1], group=8),
        node("Conv", ["3", "c", "c1"], ["4"]),
        node("Add", ["2", "4"], ["5"]),
        node("MaxPool", ["5"], ["6"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["6"], ["7"]),
        node("Gemm", ["7", "d", "d1"], ["8"], transB=1),
        node("Relu", ["8"], ["9"]),
        node("Gemm", ["9", "e"], ["10"], transB=1),
        node("Softmax", ["10"], ["y"]),
    ]
    constants = {
        "a": weights(8, 2, 3, 3),
        "a1": weights(8),
        "b": weights(8, 1, 3, 3),
        "b1": weights(8),
        "c": weights(8, 8, 1, 1),
        "c1": weights(8),
        "d": weights(12, 8 * 9) / 8,
        "d1": weights(12),
        "e": weights(3, 12),
    }
    return float_graph(make_model(nodes, constants, (1, 2, 6, 6)))


def _samples(graph: Graph, count: int = 6) -> Floats:
    shape = graph.tensor(graph.inputs[0]).shape
    return numpy.random.default_rng(2).random((count, *shape), dtype=numpy.float32)


def _answers(graph: Graph, samples: Floats) -> Floats:
    return run(graph, {graph.inputs[0]: samples})[graph.outputs[0]]


def test_layers_that_are_added_share_their_channels(residual: Graph) -> None:
    groups = find_channels(residual).groups.values()
    found = sorted((group.channels, len(group.writers), len(group.readers)) for group in groups)
    assert found == [(8, 2, 2), (12, 1, 1)]


def test_border_and_softmax_are_never_pruned(residual: Graph) -> None:
    channels = find_channels(residual)
    assert channels.group_of(residual.inputs[0]) is None
    assert channels.group_of(residual.outputs[0]) is None


def test_removing_channels_equals_silencing_them(residual: Graph) -> None:
    """Zeros in everything that writes a channel do what its removal does."""
    channels = find_channels(residual)
    group = next(group for group in channels.groups.values() if group.channels == 8)
    keep = numpy.array([True, False, True, True, False, True, True, False])
    silenced = []
    for operation in residual.operations:
        if channels.places.get(operation.output, ("", 0))[0] != group.name or operation.kind_name == "Binary":
            continue
        for tensor in residual.operands(operation)[1:]:
            axis = 0 if operation.kind_name == "Convolution" or tensor.values.ndim == 1 else 2
            shape = [1] * tensor.values.ndim
            shape[axis] = -1
            silenced.append(constant_tensor(tensor.name, tensor.values * keep.reshape(shape).astype(numpy.float32)))
    samples = _samples(residual)
    pruned = without_channels(residual, channels, {group.name: keep})
    assert _answers(pruned, samples) == pytest.approx(_answers(residual.with_tensors(silenced), samples), abs=1e-5)
    assert weight_count(pruned) < weight_count(residual)


def test_keeping_all_channels_changes_nothing(residual: Graph) -> None:
    channels = find_channels(residual)
    masks = {name: numpy.ones(group.channels, bool) for name, group in channels.groups.items()}
    samples = _samples(residual)
    assert (
        _answers(without_channels(residual, channels, masks), samples).tolist() == _answers(residual, samples).tolist()
    )


def test_dead_channels_really_leave_the_module(residual: Graph) -> None:
    channels = find_channels(residual)
    half = without_channels(residual, channels, uniform(residual, channels, 0.5))
    core, sizes = load_target("cortex-m4f"), []
    for graph in (residual, half):
        integer, _ = integer_graph(write_onnx(graph), _samples(residual), "litert")
        steps = select(integer, core, "size")
        sizes.append(len(Design(integer, core, steps, plan_arena(integer, steps), "size").payload().code))
    assert sizes[0] - sizes[1] > 0.4 * weight_count(residual)


def test_weakest_channels_go_first(residual: Graph) -> None:
    channels = find_channels(residual)
    group = next(group for group in channels.groups.values() if group.channels == 12)
    first, last = group.writers[0], group.readers[0]
    weights = residual.operands(first)[1]
    weak = weights.values.copy()
    weak[[2, 5]] *= 1e-3
    graph = residual.with_tensors([constant_tensor(weights.name, weak)])
    bias = graph.operands(first)[2]
    graph = graph.with_tensors([constant_tensor(bias.name, numpy.zeros(12, numpy.float32))])
    assert numpy.flatnonzero(~most_important(graph, group, 10)).tolist() == [2, 5]
    assert last.inputs[0] == first.output


@pytest.mark.parametrize("share", [0.75, 0.5, 0.3])
def test_both_ways_to_prune_meet_the_wanted_size(share: float, residual: Graph) -> None:
    channels = find_channels(residual)
    flat = [Sensitivity(name, (90.0,) * len(SHARES)) for name in channels.groups]
    for masks in (uniform(residual, channels, share), by_sensitivity(residual, channels, share, flat, 90.0)):
        left = weight_count(without_channels(residual, channels, masks)) / weight_count(residual)
        assert share - 0.2 < left < share + 0.1


def test_sensitive_layers_are_spared(residual: Graph) -> None:
    channels = find_channels(residual)
    names = list(channels.groups)
    found = [Sensitivity(names[0], (20.0,) * len(SHARES)), Sensitivity(names[1], (90.0,) * len(SHARES))]
    masks = by_sensitivity(residual, channels, 0.7, found, 90.0)
    assert masks[names[0]].all()
    assert not masks[names[1]].all()


def test_sensitivity_is_measured_at_every_share(residual: Graph) -> None:
    channels = find_channels(residual)
    group = next(iter(channels.groups.values()))
    found = measure_sensitivity(residual, channels, group, lambda graph: float(weight_count(graph)))
    assert len(found.accuracies) == len(SHARES)
    assert list(found.accuracies) == sorted(set(found.accuracies), reverse=True)


def test_whole_models_can_be_pruned(tiny_models: object, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue("tiny_models")
    for name in ("ic", "vww", "ad", "kws"):
        graph = float_graph(folder / f"{name}_float32.tflite")
        channels = find_channels(graph)
        half = without_channels(graph, channels, uniform(graph, channels, 0.5))
        assert 0.4 < weight_count(half) / weight_count(graph) < 0.6
        assert numpy.isfinite(_answers(half, _samples(half, 1))).all()
