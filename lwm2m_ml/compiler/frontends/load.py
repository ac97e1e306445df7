"""Reads a model, recognising its format by its content."""

import io
import pathlib
import zipfile

from lwm2m_ml.compiler.errors import ModelTooLarge, UnreadableModel
from lwm2m_ml.compiler.frontends.model_format import SAVED_MODEL_FILE, ModelFormat, format_of
from lwm2m_ml.compiler.ir import Graph, verify

MAXIMUM_MODEL_BYTES = 64 << 20
# In the metadata of an ONNX file: int4, int8, int16x8 or float32.
PRECISION_KEY = "lwm2m-ml.precision"
# Likewise: how many of the last layers are to be trained on devices.
TRAINING_KEY = "lwm2m-ml.trainable-layers"


def load_model(model: bytes | pathlib.Path) -> Graph:
    """The graph of a model given as bytes or as a file, or as the folder of a SavedModel."""
    content = model if isinstance(model, bytes) else read_model(model)
    if len(content) > MAXIMUM_MODEL_BYTES:
        raise ModelTooLarge(f"The model file has {len(content):,} bytes, at most {MAXIMUM_MODEL_BYTES:,} are possible")
    content = without_tensorflow(content)
    graph = _read_tflite(content) if is_tflite(content) else _read_onnx(content)
    verify(graph, after="reading the model")
    return graph


def without_tensorflow(content: bytes) -> bytes:
    """A model that only TensorFlow reads as a TFLite model; any other as it is."""
    form = format_of(content)
    if not form.needs_tensorflow:
        return content
    from lwm2m_ml.compiler.frontends.keras import convert_to_tflite  # noqa: PLC0415 - only for such models

    return convert_to_tflite(content, form)


def declared_precision(content: bytes) -> str | None:
    """The precision that a model was made for, where it says so: an ONNX file in its metadata."""
    return _declared(content, PRECISION_KEY)


def declared_training(content: bytes) -> str | None:
    """How many of its last layers a model wants to be trained on devices, where it says so."""
    return _declared(content, TRAINING_KEY)


def _declared(content: bytes, key: str) -> str | None:
    if format_of(content) is not ModelFormat.ONNX:
        return None
    from lwm2m_ml.compiler.frontends.onnx import metadata  # noqa: PLC0415 - onnx takes half a second to import

    return metadata(content).get(key)


def is_tflite(content: bytes) -> bool:
    """Whether these bytes claim to be a TFLite model."""
    return format_of(content) is ModelFormat.TFLITE


def read_model(path: pathlib.Path) -> bytes:
    """The bytes of a model's file, of too large ones the first only; the folder of a SavedModel as one zip file."""
    try:
        if path.is_dir():
            return _packed(path)
        with path.open("rb") as file:
            return file.read(MAXIMUM_MODEL_BYTES + 1)
    except OSError as error:
        raise UnreadableModel(f"The model {path} cannot be read: {error.strerror or error}") from error


def _packed(folder: pathlib.Path) -> bytes:
    if not (folder / SAVED_MODEL_FILE).is_file():
        raise UnreadableModel(f"The folder {folder} is no SavedModel", hint=f"There is no {SAVED_MODEL_FILE} in it")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                # Without a date the same model gives the same bytes.
                archive.writestr(zipfile.ZipInfo(file.relative_to(folder).as_posix()), file.read_bytes())
            if packed.tell() > MAXIMUM_MODEL_BYTES:
                raise ModelTooLarge(f"The SavedModel {folder} has more than {MAXIMUM_MODEL_BYTES:,} bytes")
    return packed.getvalue()


def _read_onnx(content: bytes) -> Graph:
    from lwm2m_ml.compiler.frontends.onnx import read_onnx  # noqa: PLC0415 - onnx takes half a second to import

    return read_onnx(content)


def _read_tflite(content: bytes) -> Graph:
    from lwm2m_ml.compiler.frontends.tflite import read_tflite  # noqa: PLC0415 - only when it is a TFLite model

    return read_tflite(content)
