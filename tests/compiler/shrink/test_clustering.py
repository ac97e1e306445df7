"""Weight clustering: few values, small packages, and small updates between versions that share them."""

from collections.abc import Callable

import numpy
import zstandard
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.onnx_writer import write_onnx
from lwm2m_ml.compiler.quantize.post_training import quantize
from lwm2m_ml.compiler.shrink.clustering import cluster_weights

Floats = NDArray[numpy.float32]


def _graph(make_model: Callable[..., bytes], moved: float = 0.0) -> Graph:
    generator = numpy.random.default_rng(1)
    weights = generator.standard_normal((48, 64)).astype(numpy.float32)
    more = generator.standard_normal((10, 48)).astype(numpy.float32)
    weights += (moved * numpy.random.default_rng(2).standard_normal(weights.shape)).astype(numpy.float32)
    gemm = helper.make_node("Gemm", ["x", "a"], ["1"], transB=1)
    return float_graph(
        make_model([gemm, helper.make_node("Gemm", ["1", "b"], ["y"], transB=1)], {"a": weights, "b": more}, (1, 64))
    )


def _codes(graph: Graph) -> bytes:
    samples = numpy.random.default_rng(3).random((8, 1, 64), dtype=numpy.float32)
    integer = quantize(graph, samples)
    return b"".join(integer.operands(operation)[1].values.tobytes() for operation in integer.operations)


def _packed(content: bytes, before: bytes = b"") -> int:
    dictionary = zstandard.ZstdCompressionDict(before, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if before else None
    return len(zstandard.ZstdCompressor(level=19, dict_data=dictionary).compress(content))


def test_weights_take_few_values(make_model: Callable[..., bytes]) -> None:
    clustered = cluster_weights(_graph(make_model), 15)
    codes = numpy.frombuffer(_codes(clustered)[: 48 * 64], numpy.int8)
    assert len(numpy.unique(codes)) <= 15
    assert numpy.abs(codes).max() == 127


def test_more_values_are_nearer(make_model: Callable[..., bytes]) -> None:
    graph = _graph(make_model)
    name = graph.operations[0].inputs[1]
    errors = [
        float(numpy.abs(cluster_weights(graph, count).tensor(name).values - graph.tensor(name).values).mean())
        for count in (5, 15, 63)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[0] / 5


def test_clustered_weights_pack_better(make_model: Callable[..., bytes]) -> None:
    graph = _graph(make_model)
    assert _packed(_codes(cluster_weights(graph, 15))) < 0.7 * _packed(_codes(graph))


def test_update_is_small_when_clusters_are_kept(make_model: Callable[..., bytes]) -> None:
    old, new = _graph(make_model), _graph(make_model, moved=0.01)
    plain = _packed(_codes(new), _codes(old))
    # The version before is read from its file, where its layers have other names.
    before = float_graph(write_onnx(cluster_weights(old, 15)))
    after = cluster_weights(new, 15, like=before)
    assert _packed(_codes(after), _codes(before)) < plain / 3
    same = numpy.frombuffer(_codes(after), numpy.int8) == numpy.frombuffer(_codes(before), numpy.int8)
    assert same.mean() > 0.85


def test_layers_without_weights_of_their_own_stay(make_model: Callable[..., bytes]) -> None:
    graph = float_graph(make_model([helper.make_node("Relu", ["x"], ["y"])], {}, (1, 4)))
    assert cluster_weights(graph, 4).tensors == graph.tensors


def test_zero_weights_stay_zero(make_model: Callable[..., bytes]) -> None:
    graph = _graph(make_model)
    weights = graph.operands(graph.operations[0])[1]
    sparse = graph.with_tensors([constant_tensor(weights.name, numpy.where(weights.values > 0, weights.values, 0))])
    found = cluster_weights(sparse, 9).tensor(weights.name).values
    assert (found[sparse.tensor(weights.name).values == 0] == 0).all()
