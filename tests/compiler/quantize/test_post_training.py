"""Quantisation: scales, shared ranges, and how close the integer graph stays."""

from collections.abc import Callable

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.arithmetic import dequantize_values, quantize_values
from lwm2m_ml.compiler.errors import CalibrationError
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.compiler.quantize.calibration import MinimumMaximum, Percentile, Range
from lwm2m_ml.compiler.quantize.parameters import (
    activation_quantization,
    quantize_bias,
    quantize_weights,
    weight_scales,
)
from lwm2m_ml.compiler.quantize.post_training import quantize

node = helper.make_node
MakeModel = Callable[..., bytes]
Floats = NDArray[numpy.float32]


@given(st.floats(-1e4, 0), st.floats(0, 1e4))
def test_real_zero_has_an_exact_code(low: float, high: float) -> None:
    quantization = activation_quantization(Range(low, high))
    assert -128 <= quantization.zero_point <= 127
    if high - low > 1e-30:
        ends = quantize_values(numpy.array([low, high], numpy.float32), quantization.scale, quantization.zero_point)
        restored = dequantize_values(ends, quantization.scale, quantization.zero_point)
        assert numpy.abs(restored - [low, high]).max() <= 1.01 * quantization.scale


def test_each_channel_uses_the_whole_range_of_codes() -> None:
    weights = numpy.array([[0.5, -1.0], [0.001, 0.0005], [0.0, 0.0]], numpy.float32)
    scales = weight_scales(weights, 0, numpy.zeros(3), 0.1)
    codes = quantize_weights(weights, 0, scales)
    assert numpy.abs(codes[:2]).max(axis=1).tolist() == [127, 127]
    assert codes[2].tolist() == [0, 0]


def test_bias_that_int32_could_not_hold_widens_the_scale_of_its_channel() -> None:
    weights, bias = numpy.full((1, 2), 1e-9, numpy.float32), numpy.array([1000.0])
    scales = weight_scales(weights, 0, bias, 0.1)
    assert abs(int(quantize_bias(bias, scales, 0.1)[0])) <= 1 << 30


def test_channel_of_almost_zero_weights_has_an_ordinary_scale() -> None:
    (scale,) = weight_scales(numpy.full((1, 2), 1e-45, numpy.float32), 0, numpy.zeros(1), 0.1)
    assert scale > 0


def test_bias_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(CalibrationError):
        weight_scales(numpy.ones((1, 2), numpy.float32), 0, numpy.array([3e38]), 1e-20)


def test_percentile_clips_outliers() -> None:
    values = numpy.append(numpy.linspace(0, 1, 10_000), 50.0)
    assert MinimumMaximum().observe(values).high == 50
    assert Percentile(99.9).observe(values).high < 1.1


def _pipeline(graph: Graph, samples: Floats) -> tuple[Floats, Graph]:
    integer = quantize(graph, samples)
    given_as, answered_as = (integer.tensor(name).quantization for name in (integer.inputs[0], integer.outputs[0]))
    assert given_as is not None
    assert answered_as is not None
    codes = quantize_values(samples, given_as.scale, given_as.zero_point)
    answers = run(integer, {integer.inputs[0]: codes})[integer.outputs[0]]
    return dequantize_values(answers, answered_as.scale, answered_as.zero_point), integer


def test_moved_values_keep_one_quantisation(make_model: MakeModel) -> None:
    nodes = [
        node("Sigmoid", ["x"], ["s"]),
        node("Relu", ["x"], ["r"]),
        node("Concat", ["s", "r"], ["c"], axis=1),
        node("MaxPool", ["c"], ["y"], kernel_shape=[2, 2]),
    ]
    graph = simplify(load_model(make_model(nodes, {}, (1, 2, 4, 4))))
    integer = quantize(graph, numpy.random.default_rng(0).random((5, 1, 2, 4, 4), dtype=numpy.float32))
    joined = next(operation for operation in integer.operations if operation.kind_name == "Concatenate")
    shared = {integer.tensor(name).quantization for name in (*joined.inputs, joined.output)}
    assert len(shared) == 1


@pytest.mark.parametrize("operator", ["Relu", "Tanh", "Sigmoid", "HardSwish", "LeakyRelu"])
def test_elementwise_functions_stay_close(operator: str, make_model: MakeModel) -> None:
    graph = simplify(load_model(make_model([node(operator, ["x"], ["y"])], {}, (1, 64))))
    samples = numpy.random.default_rng(0).normal(0, 2, (20, 1, 64)).astype(numpy.float32)
    answers, integer = _pipeline(graph, samples)
    expected = run(graph, {graph.inputs[0]: samples})[graph.outputs[0]]
    quantization = integer.tensor(integer.inputs[0]).quantization
    assert quantization is not None
    assert numpy.abs(answers - expected).max() < 1.5 * quantization.scale + 1 / 64


def test_digits_network_stays_close(digits_network: bytes, digits_samples: Floats) -> None:
    graph = simplify(load_model(digits_network))
    answers, _ = _pipeline(graph, digits_samples)
    expected = run(graph, {graph.inputs[0]: digits_samples})[graph.outputs[0]]
    assert numpy.abs(answers - expected).mean() < 0.01
