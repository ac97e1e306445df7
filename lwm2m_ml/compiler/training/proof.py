"""The proof of a module that learns: inference, and steps from any state, against the reference bit for bit."""

from dataclasses import dataclass, replace

import numpy

from lwm2m_ml.compiler.backends.interface import Payload
from lwm2m_ml.compiler.ir import Array, Graph
from lwm2m_ml.compiler.ir.training import CONTROL_LENGTH
from lwm2m_ml.compiler.proof import Proof, prove
from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.compiler.training.step import CONTROL, STATE, as_called

_SEED = 20_261_130
# Rows of the control tensor: keep, weight, class, share, rate, momentum.
_FROM_ANY_STATE = (
    (1, 1, 0, 1, 0.1, 0.9),
    (1, 0.5, 1, 0, 0, 0),
    (1, 0, 0, 0.25, 0.05, 0.5),
    (0, 1, 1, 0.5, 0.1, 0.9),
    (1, 1, 99, 1, 0.1, 0.9),
    (1, 0, 0, 0, 0, 0),
)
_FROM_THE_BEGINNING = ((0, 1, 0, 1, 0.5, 0), (0, 1, 1, 1, 0.25, 0.9))
_INFERENCE = ((0.0,) * CONTROL_LENGTH,)


@dataclass(frozen=True, slots=True)
class TrainingProof:
    """`proof` is of inference; `step_instructions` are the most that a call took which learnt and made a step."""

    proof: Proof
    step_instructions: int | None


def prove_training(
    graph: Graph, payload: Payload, target: Target, images: Array, *, allow_unproved: bool = False
) -> TrainingProof:
    """Run calls from random state, from the beginning, and without learning; raises what `prove` raises.

    `images` are encoded inputs, axis 0 counting them. The known-answer vectors begin with a call that makes a step.
    """
    from_any = prove(graph, payload, target, _with_state(graph, images), allow_unproved=allow_unproved)
    called = as_called(graph)
    learning, inferring = (
        prove(called, payload, target, _with_control(graph, images, rows), allow_unproved=allow_unproved)
        for rows in (_FROM_THE_BEGINNING, _INFERENCE)
    )
    pairs = zip(learning.vectors, inferring.vectors, strict=True)
    vectors = tuple(vector for pair in pairs for vector in pair)[: len(images)]
    counted = [each.instructions for each in (from_any, learning) if each.instructions is not None]
    stack = max(each.stack_bytes for each in (from_any, learning, inferring))
    proof = replace(inferring, vectors=vectors, stack_bytes=stack)
    return TrainingProof(proof, max(counted, default=None))


def _with_control(graph: Graph, images: Array, rows: tuple[tuple[float, ...], ...]) -> dict[str, Array]:
    control = numpy.asarray([rows[number % len(rows)] for number in range(len(images))], numpy.float32)
    return {graph.inputs[0]: images, CONTROL: control}


def _with_state(graph: Graph, images: Array) -> dict[str, Array]:
    """Calls from random state; at least one of each kind."""
    repeated = numpy.resize(images, (max(len(images), len(_FROM_ANY_STATE)), *images.shape[1:]))
    generator = numpy.random.Generator(numpy.random.PCG64(_SEED))
    state = {
        name: generator.normal(0, 0.1, (len(repeated), *graph.tensor(name).shape)).astype(numpy.float32)
        for name in STATE
    }
    return {**_with_control(graph, repeated, _FROM_ANY_STATE), **state}
