"""The proof of a module: what it answers on the emulated core, compared bit for bit with the integer reference."""

from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.backends.base import Payload
from lwm2m_ml.compiler.emulator import open_runner
from lwm2m_ml.compiler.errors import ProofFailed
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Array, Graph
from lwm2m_ml.compiler.targets import Target

# Generous room for the stack while it is measured; kernels keep their working memory in the arena.
_STACK_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Proof:
    """What running the module showed."""

    vectors: tuple[tuple[bytes, bytes], ...]
    instructions: int
    stack_bytes: int
    max_abs_diff: int

    @property
    def exact(self) -> bool:
        """Whether every answer equals the reference's."""
        return self.max_abs_diff == 0


def prove(graph: Graph, payload: Payload, target: Target, inputs: dict[str, Array]) -> Proof:
    """Run every sample (axis 0 of each int8 input) and compare; raises ProofFailed at the first difference."""
    expected = run(graph, inputs)
    runner = open_runner(payload.code, target, arena_bytes=payload.arena_bytes, stack_bytes=_STACK_BYTES)
    wanted = [(payload.offsets[name], graph.tensor(name).bytes) for name in graph.outputs]
    vectors, instructions, stack, difference = [], 0, 0, 0
    for sample in range(len(inputs[graph.inputs[0]])):
        given = [(payload.offsets[name], inputs[name][sample].tobytes()) for name in graph.inputs]
        invocation = runner.invoke(given, wanted)
        vectors.append((b"".join(content for _, content in given), b"".join(invocation.outputs)))
        instructions = max(instructions, invocation.instructions)
        stack = max(stack, invocation.stack_bytes)
        for name, answer in zip(graph.outputs, invocation.outputs, strict=True):
            difference = max(difference, _difference(answer, expected[name][sample]))
    proof = Proof(tuple(vectors), instructions, stack, difference)
    if not proof.exact:
        raise ProofFailed(
            f"The module for {target.name} differs from the integer reference by up to {difference} of 255",
            hint="This is a defect of the compiler: please report it with the model",
        )
    return proof


def _difference(answer: bytes, expected: Array) -> int:
    values = numpy.frombuffer(answer, numpy.int8).astype(numpy.int16)
    return int(numpy.abs(values - expected.reshape(-1)).max())
