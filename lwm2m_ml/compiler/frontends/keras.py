"""Reads Keras models and SavedModels: TensorFlow makes TFLite of them, in a process without network and files."""

import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

from lwm2m_ml.compiler.errors import ModelTooLarge, UnreadableModel
from lwm2m_ml.compiler.frontends.model_format import ModelFormat
from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.errors import MissingExtraError

_WORKER = "lwm2m_ml.compiler.frontends.keras_worker"
_TIMEOUT_SECONDS = 300
_MAXIMUM_UNPACKED_BYTES = 256 << 20
_MAXIMUM_FILES = 1000
MODEL_FILE = {ModelFormat.KERAS: "model.keras", ModelFormat.KERAS_H5: "model.h5", ModelFormat.SAVED_MODEL: "model"}
RESULT_FILE, ERROR_FILE = "model.tflite", "error.json"


def convert_to_tflite(content: bytes, form: ModelFormat) -> bytes:
    """The float TFLite model of a Keras model, its batch one; kept, so that a file is converted once.

    Raises MissingExtraError without TensorFlow, and UnreadableModel for what TensorFlow does not read.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError(f"TensorFlow, which reads {form.value} models,", "tensorflow")
    _check_size(content, form)

    def make(path: Path) -> None:
        path.write_bytes(_converted(content, form))

    digest = digest_of([version("tensorflow"), form.value, content])
    return cached_file("converted", digest, ".tflite", make).read_bytes()


def _check_size(content: bytes, form: ModelFormat) -> None:
    if form is ModelFormat.KERAS_H5:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
        raise UnreadableModel(f"The {form.value} model is damaged: {error}", hint="Save it again") from None
    if len(entries) > _MAXIMUM_FILES or sum(entry.file_size for entry in entries) > _MAXIMUM_UNPACKED_BYTES:
        raise ModelTooLarge(f"The {form.value} model would unpack to more than {_MAXIMUM_UNPACKED_BYTES >> 20} MiB")


def _converted(content: bytes, form: ModelFormat) -> bytes:
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as name:
        folder = Path(name)
        model = folder / MODEL_FILE[form]
        if form is ModelFormat.SAVED_MODEL:
            _unpack(content, model)
        else:
            model.write_bytes(content)
        environment = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "PYTHONPATH")}
        # Everything that TensorFlow writes stays in the folder, which is all that it can write to.
        environment |= {"TMPDIR": name, "HOME": name, "KERAS_HOME": name, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-P", "-m", _WORKER, name, form.name]
        try:
            done = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ModelTooLarge(f"TensorFlow took more than {_TIMEOUT_SECONDS} s for the {form.value} model") from None
        if (folder / RESULT_FILE).is_file() and done.returncode == 0:
            return (folder / RESULT_FILE).read_bytes()
        raise UnreadableModel(f"The {form.value} model cannot be read: {_reason(folder, done.returncode)}")


def _unpack(content: bytes, folder: Path) -> None:
    """The files beside saved_model.pb, wherever it lies; names that lead out of the folder are refused."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = next(name for name in archive.namelist() if name.rsplit("/", 1)[-1] == "saved_model.pb")
        prefix = found.removesuffix("saved_model.pb")
        for entry in archive.infolist():
            if entry.is_dir() or not entry.filename.startswith(prefix):
                continue
            place = folder / entry.filename.removeprefix(prefix)
            if not place.resolve().is_relative_to(folder.resolve()):
                raise UnreadableModel(f"The SavedModel holds the file {entry.filename!r}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(entry))


def _reason(folder: Path, code: int) -> str:
    try:
        reason: str = json.loads((folder / ERROR_FILE).read_text(encoding="utf-8"))["reason"]
    except (OSError, ValueError, KeyError):
        return f"TensorFlow's process ended with {code}"
    return reason
