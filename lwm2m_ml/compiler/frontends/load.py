"""Reads a model, recognising its format by its content."""

import pathlib

from lwm2m_ml.compiler.errors import ModelTooLarge, UnreadableModel
from lwm2m_ml.compiler.ir import Graph, verify

MAXIMUM_MODEL_BYTES = 64 << 20


def load_model(model: bytes | pathlib.Path) -> Graph:
    """The graph of an ONNX or TFLite model given as bytes or as a file."""
    content = model if isinstance(model, bytes) else read_model(model)
    if len(content) > MAXIMUM_MODEL_BYTES:
        raise ModelTooLarge(f"The model file has {len(content):,} bytes, at most {MAXIMUM_MODEL_BYTES:,} are possible")
    graph = _read_tflite(content) if is_tflite(content) else _read_onnx(content)
    verify(graph, after="reading the model")
    return graph


def is_tflite(content: bytes) -> bool:
    """Whether these bytes claim to be a TFLite model; anything else is taken for ONNX."""
    return content[4:8] == b"TFL3"


def read_model(path: pathlib.Path) -> bytes:
    """The bytes of a model's file, of too large ones the first only."""
    try:
        with path.open("rb") as file:
            return file.read(MAXIMUM_MODEL_BYTES + 1)
    except OSError as error:
        raise UnreadableModel(f"The model {path} cannot be read: {error.strerror or error}") from error


def _read_onnx(content: bytes) -> Graph:
    from lwm2m_ml.compiler.frontends.onnx import read_onnx  # noqa: PLC0415 - onnx takes half a second to import

    return read_onnx(content)


def _read_tflite(content: bytes) -> Graph:
    from lwm2m_ml.compiler.frontends.tflite import read_tflite  # noqa: PLC0415 - only when it is a TFLite model

    return read_tflite(content)
