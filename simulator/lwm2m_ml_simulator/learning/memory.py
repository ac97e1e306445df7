"""The parameters that a device infers with in place of its modules' own, by module. They are in RAM."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.learning import CONTROL_INPUT, LEARNING_TENSORS
from lwm2m_ml_simulator.learning.control import control

Preset = tuple[tuple[int, bytes], ...]
"""What is written into the arena beside the inputs: offset and bytes."""


class LearnedParameters:
    """At most one set of parameters for each module, by the digest of its machine code."""

    def __init__(self) -> None:
        self._adopted: dict[bytes, bytes] = {}

    def adopt(self, payload: bytes, parameters: bytes) -> None:
        """Infer with these parameters from now on."""
        self._adopted[hashlib.sha256(payload).digest()] = parameters

    def of(self, payload: bytes) -> bytes | None:
        """Return what was adopted for a module."""
        return self._adopted.get(hashlib.sha256(payload).digest()) if self._adopted else None

    def completed(
        self, payload: bytes, descriptor: Descriptor, inputs: Sequence[bytes]
    ) -> tuple[tuple[bytes, ...], Preset]:
        """Return all inputs of an inference, the control among them, and the parameters to infer with."""
        learning = descriptor.learning
        if learning is None or len(inputs) == len(descriptor.inputs):
            return tuple(inputs), ()
        adopted = self.of(payload)
        given = iter(inputs)
        complete = tuple(
            control(keep=adopted is not None) if tensor.name == CONTROL_INPUT else next(given, b"")
            for tensor in descriptor.inputs
        )
        return complete, () if adopted is None else ((learning.offset, adopted),)


def without_learning(descriptor: Descriptor) -> Descriptor:
    """The descriptor as it would be of a module that only infers; the model's own outputs come first in both."""
    if descriptor.learning is None:
        return descriptor
    return replace(
        descriptor,
        inputs=tuple(tensor for tensor in descriptor.inputs if not tensor.name.startswith(LEARNING_TENSORS)),
        outputs=tuple(tensor for tensor in descriptor.outputs if not tensor.name.startswith(LEARNING_TENSORS)),
        vectors=(),
        learning=None,
    )
