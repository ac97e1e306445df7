"""The process in which TensorFlow reads a model: `python -m lwm2m_ml.compiler.frontends.keras_worker FOLDER FORMAT`.

TensorFlow is imported first; then network, programs and files are taken away, and only then is the model opened.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from lwm2m_ml.compiler.confinement import CannotConfine, confine
from lwm2m_ml.compiler.frontends.keras import ERROR_FILE, MODEL_FILE, RESULT_FILE
from lwm2m_ml.compiler.frontends.model_format import ModelFormat

_MEMORY_BYTES = 12 << 30
_LONGEST_REASON = 300


def main(folder: Path, form: ModelFormat) -> None:
    """Write the model as TFLite, or the reason why not."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf  # noqa: PLC0415 - takes seconds

    _warm_up(tf)
    try:
        _confine(folder, form)
        (folder / RESULT_FILE).write_bytes(_converted(tf, folder / MODEL_FILE[form], form))
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"{type(error).__name__}: {lines[0]}"[:_LONGEST_REASON]
        (folder / ERROR_FILE).write_text(json.dumps({"reason": reason}), encoding="utf-8")
        sys.exit(1)


def _warm_up(tf: Any) -> None:
    """Convert one addition: TensorFlow opens its devices, and imports what it imports late, while it still can."""
    double = tf.function(lambda value: value + value)
    concrete = double.get_concrete_function(tf.TensorSpec([1], tf.float32))
    tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert()
    tf.Variable([1.0]).assign_add([1.0])


def _confine(folder: Path, form: ModelFormat) -> None:
    """Formats that may be programs are opened in confinement or not at all."""
    _limit_memory()
    try:
        confine(folder)
    except CannotConfine:
        if form.is_program:
            raise


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, hard))


def _converted(tf: Any, path: Path, form: ModelFormat) -> bytes:
    if form is ModelFormat.SAVED_MODEL:
        loaded = tf.saved_model.load(str(path))
        function = loaded.signatures["serving_default"]
        specifications = list(function.structured_input_signature[1].values())
        call = tf.function(lambda *values: function(**_named(function, values)))
    else:
        loaded = tf.keras.models.load_model(path, compile=False, safe_mode=True)
        specifications = loaded.inputs
        call = tf.function(lambda *values: loaded(list(values) if len(values) > 1 else values[0], training=False))
    pinned = [tf.TensorSpec(_with_batch_of_one(each.shape), each.dtype, each.name) for each in specifications]
    concrete = call.get_concrete_function(*pinned)
    content: bytes = tf.lite.TFLiteConverter.from_concrete_functions([concrete], loaded).convert()
    return content


def _named(function: Any, values: Any) -> dict[str, Any]:
    return dict(zip(function.structured_input_signature[1], values, strict=True))


def _with_batch_of_one(shape: Any) -> list[int]:
    """An open first axis is the batch."""
    lengths = list(shape)
    if any(length is None for length in lengths[1:]):
        raise ValueError(f"the input shape {tuple(lengths)} is open in more than the batch")
    return [1 if lengths and lengths[0] is None else lengths[0], *lengths[1:]]


if __name__ == "__main__":
    main(Path(sys.argv[1]), ModelFormat[sys.argv[2]])
