"""The proof of a module: what it answers when it is executed, compared bit for bit with the references."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.interface import Payload
from lwm2m_ml.compiler.errors import ProofFailed, Unproved
from lwm2m_ml.compiler.execution import execute, vectors_of
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Array, DataType, Graph
from lwm2m_ml.compiler.ir.kinds import Dequantize
from lwm2m_ml.compiler.ir.training import TRAINING
from lwm2m_ml.compiler.reference import litert
from lwm2m_ml.compiler.targets import Target

INTERPRETER = "integer interpreter"
# What float32 answers may differ by, relative to the largest one.
FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Proof:
    """What running the module showed.

    `references` are what its answers were compared with, `executor` is what ran it. Where nothing could, both are
    empty, the difference is None, and the vectors hold the answers that the interpreter expects.
    """

    vectors: tuple[tuple[bytes, bytes], ...]
    instructions: int | None
    stack_bytes: int
    max_abs_diff: float | None
    references: tuple[str, ...]
    executor: str = ""
    code_bytes: int = 0

    @property
    def exact(self) -> bool:
        """Whether every answer equals that of every reference."""
        return self.max_abs_diff == 0


def prove(
    graph: Graph,
    payload: Payload,
    target: Target,
    inputs: dict[str, Array],
    *,
    tflite: bytes | None = None,
    allow_unproved: bool = False,
) -> Proof:
    """Run every sample (axis 0 of each int8 input) and compare with the interpreter, and LiteRT for a TFLite model.

    Raises ProofFailed when the module differs from the interpreter, and Unproved when nothing here executes it, unless
    that is allowed. A difference from LiteRT is told by the proof.
    """
    wanted = run(graph, inputs)
    done = execute(graph, payload, target, inputs)
    if done is None:
        if not allow_unproved:
            raise _unproved(payload, target)
        return Proof(vectors_of(graph, inputs, wanted), None, 0, None, ())
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
    return Proof(
        done.vectors,
        done.instructions,
        done.stack_bytes,
        difference,
        tuple(references),
        done.executor,
        done.code_bytes,
    )


def _unproved(payload: Payload, target: Target) -> Unproved:
    what = payload.executed_on or target.title
    return Unproved(
        f"Nothing here executes modules for {what}, so this one cannot be proved",
        hint="Allow it with --allow-unproved, and compare its answers on the device",
    )


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
    """Integers must be equal; where float32 is computed, sums are rounded in another order than numpy's.

    Training steps are computed in the reference's order, so they must be equal too.
    """
    real = [operation.kind for operation in graph.operations if graph.result(operation).dtype is DataType.FLOAT32]
    if not real or (isinstance(real[-1], TRAINING) and all(isinstance(each, (Dequantize, *TRAINING)) for each in real)):
        return 0.0
    if any(graph.tensor(name).dtype is not DataType.FLOAT32 for name in graph.outputs):
        return 1.0
    return FLOAT_TOLERANCE * max(1.0, *(float(numpy.abs(values).max(initial=0)) for values in expected.values()))


def _difference(answers: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """The largest difference: steps of integers, or real numbers. NaN, which no tolerance forgives, is infinite."""
    largest = max(
        float(numpy.abs(answers[name].astype(numpy.float64) - expected[name].astype(numpy.float64)).max(initial=0))
        for name in answers
    )
    if numpy.isnan(largest):
        return float("inf")
    return int(largest) if largest.is_integer() else largest
