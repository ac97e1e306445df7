"""Where a module that learns keeps what changes: key 22 of the descriptor."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lwm2m_ml.module import fields

LEARNING_TENSORS = "learning."
"""How the names of tensors begin that only learning reads and writes; the model's own come before them."""
CONTROL_INPUT = "learning.control"
"""The input that says what a call is to do."""


class Control(IntEnum):
    """The places of that input's float32 numbers. All zero is inference with the module's own parameters.

    KEEP: 0 begins with the module's own parameters, without momentum and gradient; else those in the arena are kept.
    WEIGHT: of the example; with 0 nothing is learnt from it. CLASS: its true class.
    SHARE: 0 adds to the gradient; else a step is made with so much of it. RATE and MOMENTUM: those of the step.
    """

    KEEP = 0
    WEIGHT = 1
    CLASS = 2
    SHARE = 3
    RATE = 4
    MOMENTUM = 5


_LAYERS, _OFFSET, _PARAMETERS, _STATE_BYTES, _INSTRUCTIONS = range(1, 6)
_KEYS = frozenset(range(1, 6))
PARAMETER_BYTES = 4


@dataclass(frozen=True, slots=True)
class LearningDescriptor:
    """The last `layers` layers have `parameters` float32 numbers that change, at `offset` in the arena.

    `state_bytes` of the arena, from the same offset on, must stay as they are from call to call while a device learns;
    `instructions` are the most that a call with an example and a step took.
    """

    layers: int
    offset: int
    parameters: int
    state_bytes: int
    instructions: int

    def __post_init__(self) -> None:
        fields.require(self.layers > 0, "A module learns with no layer")
        fields.require(self.parameters > 0, "A module learns without parameters")
        fields.require(self.offset % PARAMETER_BYTES == 0, "The parameters do not lie at a multiple of 4")
        fields.require(self.parameters_bytes <= self.state_bytes, "The parameters are no part of the state")

    @property
    def parameters_bytes(self) -> int:
        """The size of all parameters."""
        return self.parameters * PARAMETER_BYTES

    def as_map(self) -> dict[int, object]:
        """Return the CBOR map."""
        return {
            _LAYERS: self.layers,
            _OFFSET: self.offset,
            _PARAMETERS: self.parameters,
            _STATE_BYTES: self.state_bytes,
            _INSTRUCTIONS: self.instructions,
        }

    @classmethod
    def from_map(cls, value: Any) -> "LearningDescriptor":
        """Read the CBOR map; raises InvalidDescriptorError."""
        entry = fields.MapReader(value, "What is said of learning", _KEYS)
        return cls(
            layers=entry.unsigned(_LAYERS),
            offset=entry.unsigned(_OFFSET),
            parameters=entry.unsigned(_PARAMETERS),
            state_bytes=entry.unsigned(_STATE_BYTES),
            instructions=entry.unsigned(_INSTRUCTIONS),
        )
