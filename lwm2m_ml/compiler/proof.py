"""The proof of a module: what it answers on the emulated core, compared bit for bit with the references."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.base import Payload
from lwm2m_ml.compiler.emulator import open_runner
from lwm2m_ml.compiler.errors import ProofFailed
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Array, DataType, Graph
from lwm2m_ml.compiler.reference import litert
from lwm2m_ml.compiler.targets import Target

# Generous room for the stack while it is measured; kernels keep their working memory in the arena.
STACK_BYTES = 16 * 1024
INTERPRETER = "integer interpreter"
# What float32 answers may differ by, relative to the largest one.
FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Proof:
    """What running the module showed. `references` are what its answers were compared with."""

    vectors: tuple[tuple[bytes, bytes], ...]
    instructions: int
    stack_bytes: int
    max_abs_diff: float
    references: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether every answer equals that of every reference."""
        return self.max_abs_diff == 0


@dataclass(frozen=True, slots=True)
class _Run:
    """All answers of the module, one array per output, and what they cost at most."""

    vectors: tuple[tuple[bytes, bytes], ...]
    answers: Mapping[str, Array]
    instructions: int
    stack_bytes: int


def prove(
    graph: Graph, payload: Payload, target: Target, inputs: dict[str, Array], *, tflite: bytes | None = None
) -> Proof:
    """Run every sample (axis 0 of each int8 input) and compare with the interpreter, and LiteRT for a TFLite model.

    Raises ProofFailed when the module differs from the interpreter. A difference from LiteRT is told by the proof.
    """
    done = _run(graph, payload, target, inputs)
    wanted = run(graph, inputs)
    difference = _difference(done.answers, wanted)
    if difference > _tolerance(graph, wanted):
        raise ProofFailed(
            f"The module for {target.name} differs from the reference by up to {difference:g}",
            hint="This is a defect of the compiler: please report it with the model",
        )
    references = [INTERPRETER]
    expected = None if tflite is None else _litert(graph, tflite, inputs)
    if expected is not None:
        references.append(litert.NAME)
        difference = _difference(done.answers, expected)
    return Proof(done.vectors, done.instructions, done.stack_bytes, difference, tuple(references))


def _run(graph: Graph, payload: Payload, target: Target, inputs: dict[str, Array]) -> _Run:
    runner = open_runner(payload.code, target, arena_bytes=payload.arena_bytes, stack_bytes=STACK_BYTES)
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
        name: numpy.stack(
            [
                numpy.frombuffer(row[number], graph.tensor(name).dtype.numpy).reshape(graph.tensor(name).shape)
                for row in outputs
            ]
        )
        for number, name in enumerate(graph.outputs)
    }
    return _Run(tuple(vectors), answers, instructions, stack)


def _litert(graph: Graph, model: bytes, inputs: dict[str, Array]) -> dict[str, Array] | None:
    """LiteRT's answers; None when it does not run the model, or has other inputs and outputs than the module."""
    given = [graph.tensor(name).quantization for name in graph.inputs]
    wanted = [graph.tensor(name).quantization for name in graph.outputs]
    answers = litert.litert_answers(
        model,
        [inputs[name] for name in graph.inputs],
        [quantization for quantization in given if quantization is not None],
        [quantization for quantization in wanted if quantization is not None],
    )
    shapes = [(len(inputs[graph.inputs[0]]), *graph.tensor(name).shape) for name in graph.outputs]
    if answers is None or [answer.shape for answer in answers] != shapes:
        return None
    return dict(zip(graph.outputs, answers, strict=True))


def _tolerance(graph: Graph, expected: Mapping[str, Array]) -> float:
    """Integers must be equal; where float32 is computed, sums are rounded in another order than numpy's."""
    if all(graph.result(operation).dtype is not DataType.FLOAT32 for operation in graph.operations):
        return 0.0
    if any(graph.tensor(name).dtype is not DataType.FLOAT32 for name in graph.outputs):
        return 1.0
    return FLOAT_TOLERANCE * max(1.0, *(float(numpy.abs(values).max(initial=0)) for values in expected.values()))


def _difference(answers: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """The largest difference: steps of integers, or real numbers."""
    largest = max(
        float(numpy.abs(answers[name].astype(numpy.float64) - expected[name].astype(numpy.float64)).max(initial=0))
        for name in answers
    )
    return int(largest) if largest.is_integer() else largest
