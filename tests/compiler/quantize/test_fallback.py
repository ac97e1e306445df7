"""Falling back to finer layers until the accuracy is as wanted."""

from collections.abc import Callable

import numpy
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.datasets import Dataset
from lwm2m_ml.compiler.quantize.fallback import quantize_for
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings

node = helper.make_node
Floats = NDArray[numpy.float32]


def _delicate(make_model: Callable[..., bytes]) -> bytes:
    """The class hangs on a small difference of large numbers, which 8 bits of the first layer cannot hold."""
    constants = {
        "w1": numpy.array([[1, 0], [0, 1], [300, 0]], numpy.float32),
        "w2": numpy.array([[40, -40, 0], [-40, 40, 0]], numpy.float32),
        "b1": numpy.array([0, 0, 0], numpy.float32),
    }
    nodes = [
        node("Gemm", ["x", "w1", "b1"], ["1"], transB=1),
        node("Relu", ["1"], ["2"]),
        node("Gemm", ["2", "w2"], ["3"], transB=1),
        node("Softmax", ["3"], ["y"]),
    ]
    return make_model(nodes, constants, (1, 2))


def _data() -> Dataset:
    samples = numpy.random.default_rng(1).random((300, 1, 2), dtype=numpy.float32)
    return Dataset(samples, (samples[:, 0, 1] > samples[:, 0, 0]).astype(numpy.int64))


def test_plain_int8_loses_and_fallback_wins_it_back(make_model: Callable[..., bytes]) -> None:
    real, data = float_graph(_delicate(make_model)), _data()
    plain = quantize_for(real, data, QuantizationSettings(), test=data)
    assert plain.quality.float_accuracy == 100
    assert plain.quality.loss_points is not None
    assert plain.quality.loss_points > 5
    found = quantize_for(real, data, QuantizationSettings(), test=data, most_points=1.0)
    assert found.quality.loss_points is not None
    assert found.quality.loss_points <= 1.0
    assert Precision.INT16 in found.settings.precisions.values()
    assert Precision.FLOAT32 not in found.settings.precisions.values()


def test_nothing_falls_back_where_int8_is_good_enough(make_model: Callable[..., bytes]) -> None:
    real, data = float_graph(_delicate(make_model)), _data()
    found = quantize_for(real, data, QuantizationSettings(), test=data, most_points=100.0)
    assert not found.settings.precisions


def test_impossible_wishes_end_in_float(make_model: Callable[..., bytes]) -> None:
    real, data = float_graph(_delicate(make_model)), _data()
    found = quantize_for(real, data, QuantizationSettings(Precision.INT4), test=data, most_points=-100.0)
    assert {found.settings.of(operation.output) for operation in real.operations} == {Precision.FLOAT32}


def test_without_labels_there_is_no_accuracy(make_model: Callable[..., bytes]) -> None:
    real, data = float_graph(_delicate(make_model)), Dataset(_data().samples, None)
    found = quantize_for(real, data, QuantizationSettings(), test=data, most_points=0.1)
    assert found.quality.accuracy is None
    assert found.quality.loss_points is None
