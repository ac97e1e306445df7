"""The process in which LiteRT runs: `python -m lwm2m_ml.compiler.reference.litert_worker DIRECTORY`."""

import sys
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.compiler.arithmetic import dequantize_values, quantize_values
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.reference.litert import EXCHANGE

_MEMORY_BYTES = 4 << 30


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, hard))


def _given(detail: dict[str, Any], values: Array, quantization: Array) -> Array:
    """One sample as LiteRT takes it: as it is, or in real numbers where the model begins with QUANTIZE."""
    real = detail["dtype"] is numpy.float32 and quantization[0] > 0
    sample = dequantize_values(values, float(quantization[0]), int(quantization[1])) if real else values
    return sample.reshape(detail["shape"])


def _answer(detail: dict[str, Any], values: Array, quantization: Array) -> Array:
    # A scale of zero stands for a module that answers in real numbers itself.
    real = detail["dtype"] is numpy.float32 and quantization[0] > 0
    return quantize_values(values, float(quantization[0]), int(quantization[1])) if real else values


def main(directory: Path) -> None:
    """Answer every sample."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # noqa: PLC0415 - after the limit

    with numpy.load(directory / EXCHANGE.inputs) as file:
        given = {name: file[name] for name in file.files}
    interpreter = Interpreter(
        str(directory / EXCHANGE.model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    answers: list[list[Array]] = [[] for _ in outputs]
    for sample in range(len(given["input0"])):
        # A module begins every sequence anew; LiteRT keeps the state of an LSTM from one call to the next.
        interpreter.reset_all_variables()
        for number, detail in enumerate(inputs):
            interpreter.set_tensor(
                detail["index"], _given(detail, given[f"input{number}"][sample], given["given"][number])
            )
        interpreter.invoke()
        for number, detail in enumerate(outputs):
            values = interpreter.get_tensor(detail["index"]).copy()
            answers[number].append(_answer(detail, values, given["wanted"][number]))
    named: dict[str, Any] = {f"output{number:03}": numpy.stack(rows) for number, rows in enumerate(answers)}
    numpy.savez(directory / EXCHANGE.outputs, **named)


if __name__ == "__main__":
    _limit_memory()
    main(Path(sys.argv[1]))
