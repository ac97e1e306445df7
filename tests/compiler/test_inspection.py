"""Looking into a model: its work, its weights, and every operator that stands in the way."""

from pathlib import Path

import numpy
import onnx
import pytest

from lwm2m_ml.compiler.inspection import inspect
from lwm2m_ml.errors import InvalidInputError


def test_work_and_weights_are_counted(digits_network: bytes) -> None:
    found = inspect(digits_network)
    assert found.format == "ONNX"
    assert sum(operation.macs for operation in found.operations) == 64 * 4 * 9 + 16 * 8 * 4 * 9 + 16 * 8 * 9 + 10 * 32
    assert found.operators["Conv"] == 3
    assert found.inputs[0].shape == (1, 1, 8, 8)
    assert not found.unsupported


def test_tflite_model_has_its_quantisation(tiny_models: Path) -> None:
    found = inspect((tiny_models / "kws_int8.tflite").read_bytes())
    assert found.format == "TFLite"
    assert found.inputs[0].quantization is not None
    assert sum(operation.macs for operation in found.operations) == 2_656_768
    assert found.operators["DEPTHWISE_CONV_2D"] == 4


def test_all_unsupported_operators_are_named(make_model: object) -> None:
    nodes = [
        onnx.helper.make_node("Det", ["x"], ["a"]),
        onnx.helper.make_node("Relu", ["a"], ["b"]),
        onnx.helper.make_node("Unknown", ["b"], ["y"], domain="com.example"),
    ]
    model = make_model(nodes, {}, [1, 4])  # type: ignore[operator]
    found = inspect(model)
    assert found.unsupported == {"Det": 1, "com.example.Unknown": 1}
    assert found.operations == ()
    assert "Det" in found.reason


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(100), numpy.arange(1000, dtype=numpy.uint8).tobytes()])
def test_what_is_no_model_is_an_error(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        inspect(content)
