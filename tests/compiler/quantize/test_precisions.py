"""Layers of other precisions than int8: 4 bits of weights, 16 of activations, float32 in the middle."""

from collections.abc import Callable
from dataclasses import replace

import numpy
import pytest
from numpy.typing import NDArray
from onnx import helper

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.ir import DataType
from lwm2m_ml.compiler.quantize.post_training import PLAIN, quantize
from lwm2m_ml.compiler.quantize.quality import measure_quality
from lwm2m_ml.compiler.quantize.settings import OBSERVERS, Precision, QuantizationSettings, precision_of
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import UsageError

Floats = NDArray[numpy.float32]


def _layers(content: bytes) -> tuple[str, ...]:
    return tuple(operation.output for operation in float_graph(content).operations)


@pytest.fixture(scope="module")
def chain(make_model: Callable[..., bytes]) -> bytes:
    """Layers with weights one after the other, then a softmax."""
    generator = numpy.random.default_rng(1)

    def weights(*shape: int) -> Floats:
        return generator.standard_normal(shape).astype(numpy.float32)

    node = helper.make_node
    nodes = [
        node("Conv", ["x", "a"], ["1"], pads=[1, 1, 1, 1]),
        node("Relu", ["1"], ["2"]),
        node("Conv", ["2", "b"], ["3"], group=4),
        node("Relu", ["3"], ["4"]),
        node("Flatten", ["4"], ["5"]),
        node("Gemm", ["5", "c"], ["6"], transB=1),
        node("Gemm", ["6", "d"], ["7"], transB=1),
        node("Softmax", ["7"], ["y"]),
    ]
    constants = {"a": weights(4, 2, 3, 3), "b": weights(4, 1, 3, 3), "c": weights(6, 36) / 8, "d": weights(3, 6) / 4}
    return make_model(nodes, constants, (1, 2, 5, 5))


@pytest.fixture(scope="module")
def chain_samples() -> Floats:
    return numpy.random.default_rng(2).random((40, 1, 2, 5, 5), dtype=numpy.float32)


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4f"])
def test_modules_of_16_bits_equal_the_interpreter(target: str, chain: bytes, chain_samples: Floats) -> None:
    module = compile_model(chain, load_target(target), calibration=chain_samples, precision="int16x8")
    assert module.exact
    assert module.inputs[0].dtype == module.outputs[0].dtype == "int8"


def test_weights_of_4_bits_make_the_smallest_module_smaller(chain: bytes, chain_samples: Floats) -> None:
    core = load_target("cortex-m0plus")
    modules = [
        compile_model(chain, core, calibration=chain_samples, precision=precision, optimize="size")
        for precision in ("int8", "int4")
    ]
    assert modules[1].exact
    assert modules[1].flash_bytes < modules[0].flash_bytes - 50


def test_tensors_between_wide_layers_have_16_bits_and_less_noise(chain: bytes, chain_samples: Floats) -> None:
    real = float_graph(chain)
    wide = quantize(real, chain_samples, QuantizationSettings(precision=Precision.INT16))
    names = [operation.output for operation in wide.operations if wide.result(operation).dtype is DataType.INT16]
    narrow = measure_quality(real, quantize(real, chain_samples), chain_samples, None)
    found = measure_quality(real, wide, chain_samples, None)
    noise = {layer.result: layer.signal_to_noise_db for layer in narrow.layers}
    assert len(names) >= 3
    assert wide.tensor(wide.outputs[0]).dtype is DataType.INT8
    # The first layer's noise is that of its operand and weights, which have 8 bits as before.
    assert all(layer.signal_to_noise_db > noise[layer.result] for layer in found.layers if layer.result in names[1:])


@pytest.mark.parametrize(("target", "place"), [("cortex-m4f", 1), ("cortex-m4f", -2), ("cortex-m0plus", -1)])
def test_one_layer_in_float_leaves_the_others_and_the_border_in_int8(
    target: str, place: int, digits_network: bytes, digits_samples: Floats
) -> None:
    layer = _layers(digits_network)[place]
    settings = replace(PLAIN, precisions={layer: Precision.FLOAT32})
    module = compile_model(digits_network, load_target(target), calibration=digits_samples, quantization=settings)
    assert (module.max_abs_diff or 0) <= 1
    assert module.inputs[0].dtype == module.outputs[0].dtype == "int8"
    assert any("float32" in fact.kernel for fact in module.layers)


def test_everything_in_float_loses_only_what_the_border_rounds(digits_network: bytes, digits_samples: Floats) -> None:
    real = float_graph(digits_network)
    settings = QuantizationSettings(precision=Precision.FLOAT32)
    found = measure_quality(real, quantize(real, digits_samples, settings), digits_samples, None)
    assert {layer.precision for layer in found.layers} == {"float32"}
    assert found.signal_to_noise_db > 40


def test_quality_of_a_layer_falls_with_its_bits(digits_network: bytes, digits_samples: Floats) -> None:
    real = float_graph(digits_network)
    answers = [
        measure_quality(real, quantize(real, digits_samples, QuantizationSettings(each)), digits_samples, None)
        for each in (Precision.INT4, Precision.INT8)
    ]
    assert answers[0].signal_to_noise_db + 15 < answers[1].signal_to_noise_db
    assert "int4" in {layer.precision for layer in answers[0].layers}


@pytest.mark.parametrize("observer", OBSERVERS)
def test_every_observer_keeps_the_answers(observer: str, digits_network: bytes, digits_samples: Floats) -> None:
    real = float_graph(digits_network)
    settings = QuantizationSettings(observer=observer)
    labels = numpy.zeros(len(digits_samples), numpy.int64)
    quality = measure_quality(real, quantize(real, digits_samples, settings), digits_samples, labels)
    assert quality.loss_points is not None
    assert abs(quality.loss_points) <= 5
    assert quality.signal_to_noise_db > 15


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="minmax"):
        QuantizationSettings(observer="guess")
    with pytest.raises(UsageError, match="int16x8"):
        precision_of("int3")
