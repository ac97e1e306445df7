"""LiteRT's answers for a TFLite model, computed in a process of its own.

LiteRT reads the file in native code; a file that makes it crash must not take the compiler with it. The operators are
those of the resolver BUILTIN_REF: the default resolver rounds differently.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.compiler.ir import Array, Quantization

NAME = "LiteRT BUILTIN_REF"
_WORKER = "lwm2m_ml.compiler.reference.litert_worker"
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Exchange:
    """Names of the files through which the compiler and LiteRT's process speak."""

    model: str = "model.tflite"
    inputs: str = "inputs.npz"
    outputs: str = "outputs.npz"


EXCHANGE = Exchange()


def litert_answers(
    model: bytes, inputs: Sequence[Array], given: Sequence[Quantization], wanted: Sequence[Quantization]
) -> list[Array] | None:
    """The int8 answers for int8 inputs, one array per output; None when LiteRT does not run the model.

    Axis 0 of each input counts samples. `given` and `wanted` tell the quantisation of inputs and outputs, for models
    that begin or end with real numbers.
    """
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
        work = Path(directory)
        (work / EXCHANGE.model).write_bytes(model)
        arrays: dict[str, Any] = {f"input{number}": values for number, values in enumerate(inputs)}
        numpy.savez(work / EXCHANGE.inputs, **arrays, given=_table(given), wanted=_table(wanted))
        command = [sys.executable, "-m", _WORKER, directory]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        if done.returncode != 0:
            return None
        with numpy.load(work / EXCHANGE.outputs) as answers:
            return [answers[name] for name in sorted(answers.files)] if len(answers.files) == len(wanted) else None


def _table(quantizations: Sequence[Quantization]) -> Array:
    return numpy.array([(each.scale, each.zero_point) for each in quantizations], numpy.float64)
