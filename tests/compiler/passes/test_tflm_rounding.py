"""TFLM's rounding of fully connected layers, against its arithmetic written out in C's terms."""

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import evaluate, integer_graph
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import DataType, Graph, Quantization
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import FullyConnected
from lwm2m_ml.compiler.passes.manager import run_passes
from lwm2m_ml.compiler.passes.tflm_rounding import RoundAsTflm
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import UsageError


def _layer(outputs: int) -> Graph:
    generator = numpy.random.default_rng(11)
    builder = GraphBuilder()
    unit = Quantization.per_tensor(0.05, -3)
    x = builder.variable("x", (1, 16), DataType.INT8, unit)
    w = builder.constant(
        "w", generator.integers(-127, 128, (outputs, 16)).astype(numpy.int8), Quantization.per_tensor(0.013, 0)
    )
    b = builder.constant("b", generator.integers(-500, 500, outputs).astype(numpy.int32))
    y = builder.add(FullyConnected(), [x, w, b], "y", quantization=Quantization.per_tensor(0.31, 7))
    return builder.finish([x], [y])


def _twice_rounded(value: int, multiplier: int, right_shift: int) -> int:
    """gemmlowp: SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT."""
    product = value * multiplier
    nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
    total = product + nudge
    high = abs(total) // (1 << 31) * (1 if total >= 0 else -1)
    mask = (1 << right_shift) - 1
    remainder = high & mask
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> right_shift) + (1 if remainder > threshold else 0)


def test_layer_rounds_as_gemmlowp_does() -> None:
    graph = run_passes(_layer(40), (RoundAsTflm(),))
    samples = numpy.random.default_rng(3).integers(-128, 128, (50, 1, 16)).astype(numpy.int8)
    (weights, bias) = (graph.tensor(name).values.astype(int) for name in ("w", "b"))
    fraction, exponent = numpy.frexp(0.05 * 0.013 / 0.31)
    multiplier, shift = round(float(fraction) * (1 << 31)), -int(exponent)
    sums = (samples[:, 0].astype(int) + 3) @ weights.T + bias
    expected = [[min(127, max(-128, _twice_rounded(int(s), multiplier, shift) + 7)) for s in row] for row in sums]
    numpy.testing.assert_array_equal(run(graph, {"x": samples})["y"][:, 0], expected)


def test_the_two_roundings_differ_somewhere() -> None:
    graph = _layer(40)
    samples = numpy.random.default_rng(3).integers(-128, 128, (400, 1, 16)).astype(numpy.int8)
    once = run(graph, {"x": samples})["y"].astype(int)
    twice = run(run_passes(graph, (RoundAsTflm(),)), {"x": samples})["y"].astype(int)
    assert 0 < (once != twice).sum() < once.size / 10
    assert numpy.abs(once - twice).max() == 1


def test_graph_without_such_layers_stays_the_same_object() -> None:
    builder = GraphBuilder()
    x = builder.variable("x", (1, 4), DataType.INT8, Quantization.per_tensor(1.0, 0))
    graph = builder.finish([x], [x])
    assert RoundAsTflm().apply(graph) is graph


@pytest.mark.parametrize("target", ["cortex-m4f", "cortex-m0plus", "wasm32"])
def test_module_rounds_as_asked(target: str, digits_network: bytes, digits_samples: NDArray[numpy.float32]) -> None:
    module = compile_model(
        digits_network, load_target(target), calibration=digits_samples, inputs=digits_samples, reference="tflm"
    )
    assert module.reference == "tflm"
    expected = evaluate(digits_network, digits_samples, digits_samples, reference="tflm")
    assert [answer for _, answer in module.vectors] == [row.tobytes() for row in expected]


def test_every_fully_connected_layer_is_marked(digits_network: bytes) -> None:
    graph, _ = integer_graph(digits_network, None, "tflm")
    marks = [
        operation.kind.rounds_twice for operation in graph.operations if isinstance(operation.kind, FullyConnected)
    ]
    assert marks
    assert all(marks)


def test_unknown_reference_is_a_usage_error(digits_network: bytes) -> None:
    with pytest.raises(UsageError, match="litert, tflm"):
        compile_model(digits_network, load_target("cortex-m4f"), reference="onnxruntime")
