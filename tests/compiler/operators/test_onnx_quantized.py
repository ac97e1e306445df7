"""ONNX models that come quantised: answers within three steps of ONNX Runtime's, which rounds in float32."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.ir import kinds
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.compiler.targets import load_target

STEPS = 3.01
node = helper.make_node
Floats = NDArray[numpy.float32]


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: Floats) -> None:
        self._left: Iterator[dict[str, Floats]] = iter([{"x": sample} for sample in samples])

    def get_next(self) -> dict[str, Floats] | None:
        return next(self._left, None)


def _quantized(
    model: bytes, samples: Floats, folder: Path, form: QuantFormat, activations: QuantType, *, per_channel: bool
) -> bytes:
    logging.disable(logging.WARNING)
    try:
        (folder / "float.onnx").write_bytes(model)
        quantize_static(
            folder / "float.onnx",
            folder / "quantized.onnx",
            _Samples(samples),
            quant_format=form,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
        )
    finally:
        logging.disable(logging.NOTSET)
    return (folder / "quantized.onnx").read_bytes()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8])
@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_network_is_close_to_onnx_runtime(
    form: QuantFormat,
    activations: QuantType,
    per_channel: bool,
    digits_network: bytes,
    digits_samples: Floats,
    tmp_path: Path,
) -> None:
    content = _quantized(digits_network, digits_samples, tmp_path, form, activations, per_channel=per_channel)
    session = onnxruntime.InferenceSession(content)
    samples = digits_samples[:10]
    expected = numpy.stack([session.run(None, {"x": sample})[0] for sample in samples])
    module = compile_model(content, load_target("cortex-m4f"), inputs=samples)
    assert module.exact
    output = module.outputs[0]
    codes = numpy.stack([numpy.frombuffer(answer, numpy.int8).reshape(output.shape) for _, answer in module.vectors])
    # The quantisation that the model gives to a softmax; ONNX Runtime's own operator wants 1/256.
    given = 1 / 255 if form is QuantFormat.QDQ else 1 / 256
    assert abs(output.scale - given) < 1e-6
    assert numpy.abs(output.dequantize(codes) - expected).max() < STEPS * output.scale


def _by_hand(nodes: list[Any], constants: dict[str, Any], shape: tuple[int, ...], *, dtype: int = 1) -> bytes:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(numpy.asarray(values), name) for name, values in constants.items()],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    content: bytes = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    return content


_SCALES = {
    "s": numpy.float32(0.02),
    "t": numpy.float32(0.05),
    "z": numpy.uint8(120),
    "n": numpy.uint8(0),
}


def _check(content: bytes, samples: Floats, *, steps: float = 1.01) -> None:
    session = onnxruntime.InferenceSession(content)
    expected = numpy.stack([session.run(None, {"x": sample})[0] for sample in samples])
    module = compile_model(content, load_target("rv32imc"), inputs=samples)
    output = module.outputs[0]
    codes = numpy.stack([numpy.frombuffer(answer, numpy.int8).reshape(output.shape) for _, answer in module.vectors])
    assert module.exact
    assert numpy.abs(output.dequantize(codes) - expected).max() < steps * output.scale


def test_pool_between_two_quantisations(digits_samples: Floats) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("AveragePool", ["d"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("QuantizeLinear", ["p", "t", "n"], ["r"]),
        node("DequantizeLinear", ["r", "t", "n"], ["y"]),
    ]
    _check(_by_hand(nodes, _SCALES, (1, 1, 8, 8)), digits_samples[:6])


def test_concatenation_of_two_quantisations(digits_samples: Floats) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("Tanh", ["d"], ["h"]),
        node("QuantizeLinear", ["h", "t", "n"], ["g"]),
        node("DequantizeLinear", ["g", "t", "n"], ["e"]),
        node("Concat", ["d", "e"], ["c"], axis=1),
        node("QuantizeLinear", ["c", "t", "n"], ["r"]),
        node("DequantizeLinear", ["r", "t", "n"], ["y"]),
    ]
    _check(_by_hand(nodes, _SCALES, (1, 1, 8, 8)), digits_samples[:6])


def test_operators_on_integers(digits_samples: Floats) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("QLinearSigmoid", ["q", "s", "z", "s", "n"], ["g"], domain="com.microsoft"),
        node("QLinearMul", ["q", "s", "z", "g", "s", "n", "t", "n"], ["m"], domain="com.microsoft"),
        node("QLinearConcat", ["t", "n", "q", "s", "z", "m", "t", "n"], ["c"], domain="com.microsoft", axis=1),
        node("DequantizeLinear", ["c", "t", "n"], ["y"]),
    ]
    _check(_by_hand(nodes, _SCALES, (1, 1, 8, 8)), digits_samples[:6])


def test_added_bias_goes_into_the_layer(make_model: Any) -> None:
    weights = numpy.random.default_rng(3).standard_normal((6, 4)).astype(numpy.float32)
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["a"]), node("Relu", ["a"], ["y"])]
    model = make_model(nodes, {"w": weights, "b": weights[0]}, (1, 6))
    (operation,) = simplify(load_model(model)).operations
    assert isinstance(operation.kind, kinds.FullyConnected)
    assert operation.kind.activation is kinds.Activation.RELU


def test_sixteen_bit_activations_are_refused() -> None:
    constants = {"s": numpy.float32(0.1), "z": numpy.int16(0)}
    model = _by_hand([node("QuantizeLinear", ["x", "s", "z"], ["y"])], constants, (1, 4))
    with pytest.raises(UnsupportedOperator, match=r"QuantizeLinear.*int16"):
        load_model(model)


def test_activations_per_channel_are_refused() -> None:
    constants = {"s": numpy.array([0.1, 0.2], numpy.float32), "z": numpy.zeros(2, numpy.int8)}
    model = _by_hand([node("QuantizeLinear", ["x", "s", "z"], ["y"])], constants, (1, 2))
    with pytest.raises(UnsupportedOperator, match="per channel"):
        load_model(model)
