"""Runs a payload on every sample, by whatever executes its format: an emulated core, wasmtime, or LiteRT."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy

from lwm2m_ml.compiler.backends.interface import Format, Payload
from lwm2m_ml.compiler.emulator import EmulationFault, open_runner
from lwm2m_ml.compiler.emulator.open import executor_of
from lwm2m_ml.compiler.ir import Array, DataType, Graph, Quantization, Tensor
from lwm2m_ml.compiler.reference import litert
from lwm2m_ml.compiler.targets import Target, load_target, target_names
from lwm2m_ml.compiler.toolchain import compile_blob

# Generous room for the stack while it is measured; kernels keep their working memory in the arena.
STACK_BYTES = 16 * 1024
_MAXIMUM_SOURCES = 64
_MAXIMUM_SOURCE_BYTES = 64 << 20
# Real numbers go in and come out as they are.
REAL = Quantization((0.0,), (0,))


@dataclass(frozen=True, slots=True)
class Execution:
    """All answers of a module, one array per output, and what they cost at most; None is not measured.

    `code_bytes` is the size of what was executed, `executor` what executed it.
    """

    vectors: tuple[tuple[bytes, bytes], ...]
    answers: Mapping[str, Array]
    executor: str
    code_bytes: int
    instructions: int | None = None
    stack_bytes: int = 0


def execute(graph: Graph, payload: Payload, target: Target, inputs: Mapping[str, Array]) -> Execution | None:
    """Run every sample (axis 0 of each input); None when nothing here executes such a module.

    Raises EmulationFault when the module misbehaves.
    """
    core = target if payload.executed_on is None else _core(payload.executed_on)
    if core is None:
        return None
    if payload.format == Format.TFLITE:
        return _by_interpreter(graph, payload, inputs)
    if executor_of(core) is None:
        return None
    code = executable_code(payload.code, payload.format, core)
    return _on_core(graph, replace(payload, code=code), core, inputs)


def executable_code(payload: bytes, kind: str, core: Target) -> bytes:
    """What a core executes of a payload: the payload, or what its sources compile to."""
    if kind != Format.C_SOURCES:
        return payload
    return compile_blob(linkable_sources(payload), core, optimize="balanced").code


def _core(name: str) -> Target | None:
    return load_target(name) if name in target_names() else None


def _on_core(graph: Graph, payload: Payload, core: Target, inputs: Mapping[str, Array]) -> Execution:
    runner = open_runner(
        payload.code, core, arena_bytes=payload.arena_bytes, stack_bytes=STACK_BYTES, bank_bytes=payload.bank_bytes
    )
    wanted = [(payload.offsets[name], graph.tensor(name).bytes) for name in graph.outputs]
    vectors, outputs, instructions, stack = [], [], 0, 0
    for sample in range(len(inputs[graph.inputs[0]])):
        given = [(payload.offsets[name], inputs[name][sample].tobytes()) for name in graph.inputs]
        invocation = runner.invoke(given, wanted)
        vectors.append((b"".join(content for _, content in given), b"".join(invocation.outputs)))
        outputs.append(invocation.outputs)
        instructions = max(instructions, invocation.instructions)
        stack = max(stack, invocation.stack_bytes)
    answers = {
        name: numpy.stack([_array(graph.tensor(name), row[number]) for row in outputs])
        for number, name in enumerate(graph.outputs)
    }
    return Execution(tuple(vectors), answers, str(executor_of(core)), len(payload.code), instructions, stack)


def _array(tensor: Tensor, content: bytes) -> Array:
    return numpy.frombuffer(content, tensor.dtype.numpy).reshape(tensor.shape)


def _by_interpreter(graph: Graph, payload: Payload, inputs: Mapping[str, Array]) -> Execution:
    """LiteRT's reference kernels, in a process of their own."""
    answers = litert.litert_answers(
        payload.code,
        [inputs[name] for name in graph.inputs],
        [_quantization(graph.tensor(name)) for name in graph.inputs],
        [_quantization(graph.tensor(name)) for name in graph.outputs],
    )
    samples = len(inputs[graph.inputs[0]])
    shapes = [(samples, *graph.tensor(name).shape) for name in graph.outputs]
    if answers is None or [answer.shape for answer in answers] != shapes:
        raise EmulationFault("LiteRT does not run the file, or it has other inputs and outputs than the model")
    named = dict(zip(graph.outputs, answers, strict=True))
    return Execution(vectors_of(graph, inputs, named), named, litert.NAME, len(payload.code))


def _quantization(tensor: Tensor) -> Quantization:
    return REAL if tensor.dtype is DataType.FLOAT32 or tensor.quantization is None else tensor.quantization


def vectors_of(
    graph: Graph, inputs: Mapping[str, Array], answers: Mapping[str, Array]
) -> tuple[tuple[bytes, bytes], ...]:
    """Pairs of the bytes of all inputs and of all answers, one for each sample."""
    return tuple(
        (_joined(graph, graph.inputs, inputs, sample), _joined(graph, graph.outputs, answers, sample))
        for sample in range(len(inputs[graph.inputs[0]]))
    )


def _joined(graph: Graph, names: Sequence[str], values: Mapping[str, Array], sample: int) -> bytes:
    return b"".join(values[name][sample].astype(graph.tensor(name).dtype.numpy).tobytes() for name in names)


def linkable_sources(archive: bytes) -> dict[str, str]:
    """The C files and headers of a zip, with an entry that calls the model; raises EmulationFault for other zips."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            names = [entry for entry in file.infolist() if entry.filename.endswith((".c", ".h"))]
            if len(names) > _MAXIMUM_SOURCES or sum(entry.file_size for entry in names) > _MAXIMUM_SOURCE_BYTES:
                raise EmulationFault("The zip holds more sources than any model has")
            sources = {entry.filename.rsplit("/", 1)[-1]: file.read(entry).decode("utf-8") for entry in names}
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, OSError, EOFError) as error:
        raise EmulationFault(f"The payload is not a zip of sources: {error}") from None
    return {**sources, "entry.c": _ENTRY}


# The model's table holds addresses, which a flat module cannot; the function behind them is what is proved.
_ENTRY = """#include <stdint.h>
int32_t lwm2m_ml_model_invoke(void *arena);
__attribute__((visibility("default"))) int32_t module_invoke(uint8_t *arena) { return lwm2m_ml_model_invoke(arena); }
"""
