"""What kind of model a file holds, told by its content."""

import io
import zipfile
from enum import Enum


class ModelFormat(Enum):
    """A file format, as messages call it."""

    ONNX = "ONNX"
    TFLITE = "TFLite"
    KERAS = "Keras"
    KERAS_H5 = "Keras H5"
    SAVED_MODEL = "SavedModel"

    @property
    def is_program(self) -> bool:
        """Whether TensorFlow itself says of the format that a file may run code when it is loaded."""
        return self in (ModelFormat.KERAS_H5, ModelFormat.SAVED_MODEL)

    @property
    def needs_tensorflow(self) -> bool:
        """Whether TensorFlow reads it."""
        return self not in (ModelFormat.ONNX, ModelFormat.TFLITE)


SAVED_MODEL_FILE = "saved_model.pb"


def format_of(content: bytes) -> ModelFormat:
    """The format of a model; what has no mark of its own is taken for ONNX. A SavedModel is a zip file here."""
    if content.startswith(b"\x89HDF\r\n\x1a\n"):
        return ModelFormat.KERAS_H5
    if content.startswith(b"PK\x03\x04"):
        return ModelFormat.SAVED_MODEL if SAVED_MODEL_FILE in _names(content) else ModelFormat.KERAS
    # Only now: a mark at byte 4 says less than one that a file begins with.
    return ModelFormat.TFLITE if content[4:8] == b"TFL3" else ModelFormat.ONNX


def _names(content: bytes) -> set[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name.rsplit("/", 1)[-1] for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError):
        return set()
