"""Bias correction and cross-layer equalisation, on layers made so that they matter."""

from collections.abc import Callable
from dataclasses import replace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Operation, kinds
from lwm2m_ml.compiler.quantize.bias_correction import corrected_bias
from lwm2m_ml.compiler.quantize.calibration import MeanSquaredError, MinimumMaximum
from lwm2m_ml.compiler.quantize.equalization import EqualizeLayers
from lwm2m_ml.compiler.quantize.post_training import PLAIN, prepared, quantize
from lwm2m_ml.compiler.quantize.quality import decibels, measure_quality, noise_share
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings
from lwm2m_ml.compiler.reference.float_kernels import KERNELS

node = helper.make_node
MakeModel = Callable[..., bytes]
Floats = NDArray[numpy.float32]


def _uneven_depthwise(make_model: MakeModel) -> bytes:
    """A pointwise, a depthwise and a pointwise layer whose channels differ by three orders of magnitude."""
    generator = numpy.random.default_rng(1)
    uneven = (10 ** numpy.linspace(-1.5, 1.5, 8)).astype(numpy.float32)
    constants = {
        "a": (generator.standard_normal((8, 3, 1, 1)) * uneven[:, None, None, None]).astype(numpy.float32),
        "b": generator.standard_normal((8, 1, 3, 3)).astype(numpy.float32),
        "c": (generator.standard_normal((5, 8, 1, 1)) / uneven[:, None, None]).astype(numpy.float32),
        "d": generator.standard_normal(8).astype(numpy.float32),
    }
    nodes = [
        node("Conv", ["x", "a", "d"], ["1"]),
        node("Relu", ["1"], ["2"]),
        node("Conv", ["2", "b"], ["3"], group=8, pads=[1, 1, 1, 1]),
        node("Relu", ["3"], ["4"]),
        node("Conv", ["4", "c"], ["y"]),
    ]
    return make_model(nodes, constants, (1, 3, 6, 6))


def _samples(count: int = 30) -> Floats:
    return numpy.random.default_rng(2).random((count, 1, 3, 6, 6), dtype=numpy.float32)


def test_equalised_network_computes_the_same(make_model: MakeModel) -> None:
    graph = float_graph(_uneven_depthwise(make_model))
    equal = EqualizeLayers().apply(graph)
    samples = {graph.inputs[0]: _samples()}
    answers, expected = (run(each, samples)[graph.outputs[0]] for each in (equal, graph))
    assert answers == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_equalisation_helps_where_channels_differ(make_model: MakeModel) -> None:
    graph = float_graph(_uneven_depthwise(make_model))
    noises = []
    for settings in (PLAIN, replace(PLAIN, equalization=True)):
        integer = quantize(graph, _samples(), settings)
        quality = measure_quality(prepared(graph, settings), integer, _samples(), None)
        noises.append(quality.layers[-1].signal_to_noise_db)
    assert noises[1] > noises[0] + 6


def test_clipped_activations_are_left_alone(make_model: MakeModel) -> None:
    weights = numpy.ones((2, 2, 1, 1), numpy.float32) * numpy.array([1, 100], numpy.float32)[:, None, None, None]
    nodes = [
        node("Conv", ["x", "w"], ["1"]),
        node("Clip", ["1", "low", "high"], ["2"]),
        node("Conv", ["2", "w"], ["y"]),
    ]
    constants = {"w": weights, "low": numpy.float32(0), "high": numpy.float32(6)}
    graph = float_graph(make_model(nodes, constants, (1, 2, 3, 3)))
    assert EqualizeLayers().apply(graph) is graph


def _connected() -> Operation:
    return Operation("layer", kinds.FullyConnected(), ("x", "w", "b"), "y")


def test_corrected_bias_takes_the_mean_error_out() -> None:
    generator = numpy.random.default_rng(3)
    rows, error = generator.random((1000, 12)), generator.standard_normal((4, 12))
    bias = numpy.zeros(4)
    corrected = corrected_bias(_connected(), error, rows.mean(axis=0), bias)
    assert (rows @ error.T + corrected).mean(axis=0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "weights", "means"),
    [
        (kinds.Convolution(groups=2), (4, 3, 3, 2), 4),
        (kinds.Convolution(), (4, 1, 1, 3), 3),
        (kinds.DepthwiseConvolution(), (3, 3, 8), 4),
    ],
)
def test_bias_correction_fits_constant_images(kind: kinds.Kind, weights: tuple[int, ...], means: int) -> None:
    """On images of one value per channel the mean error is the error, so nothing is left of it."""
    generator = numpy.random.default_rng(4)
    error = generator.standard_normal(weights)
    values = generator.random(means)
    images = numpy.broadcast_to(values, (1, 1, 5, 5, means)).copy()
    bias = numpy.zeros(weights[kinds.OUTPUT_AXIS[type(kind)]])
    corrected = corrected_bias(Operation("c", kind, ("x", "w", "b"), "y"), error, values, bias)
    answers = KERNELS[type(kind)](kind, [images, error[None], corrected[None]])
    assert answers == pytest.approx(0, abs=1e-9)


def test_bias_correction_makes_coarse_weights_better(digits_network: bytes, digits_samples: Floats) -> None:
    graph = float_graph(digits_network)
    plain = QuantizationSettings(precision=Precision.INT4)
    noises = [
        measure_quality(graph, quantize(graph, digits_samples, settings), digits_samples, None).layers[0]
        for settings in (plain, replace(plain, bias_correction=True))
    ]
    assert noises[1].signal_to_noise_db >= noises[0].signal_to_noise_db


@given(st.integers(0, 1000))
def test_mean_squared_error_is_no_worse_than_the_full_range(seed: int) -> None:
    values = numpy.random.default_rng(seed).standard_t(2, 3000)
    errors = []
    for observer in (MeanSquaredError(), MinimumMaximum()):
        found = observer.observe(values)
        scale = (found.high - found.low) / 255
        zero = numpy.rint(found.low / scale)
        restored = numpy.clip(numpy.rint(values / scale), zero, zero + 255) * scale
        errors.append(float(numpy.square(restored - values).mean()))
    assert errors[0] <= errors[1] * (1 + 1e-9)


def test_noise_of_equal_and_of_silent_signals() -> None:
    assert decibels(noise_share(numpy.ones(4), numpy.ones(4))) == 200
    assert noise_share(numpy.zeros(4), numpy.zeros(4)) == 0
    assert noise_share(numpy.zeros(4), numpy.ones(4)) == 1
    assert decibels(noise_share(numpy.full(4, 10.0), numpy.full(4, 9.0))) == pytest.approx(20)
