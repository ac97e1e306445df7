"""What every runner of modules offers, and which one serves a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

DEFAULT_INSTRUCTION_LIMIT = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Invocation:
    """The outcome of one inference."""

    outputs: tuple[bytes, ...]
    instructions: int
    stack_bytes: int


class Runner(Protocol):
    """A loaded module that stays ready; its arena keeps its content from one invocation to the next."""

    def invoke(
        self,
        inputs: Sequence[tuple[int, bytes]],
        outputs: Sequence[tuple[int, int]],
        *,
        instruction_limit: int = DEFAULT_INSTRUCTION_LIMIT,
    ) -> Invocation:
        """Write the inputs (offset in the arena, bytes), run once, read the outputs (offset, length).

        Raises `EmulationFault` when the module misbehaves or returns anything but 0.
        """

    def read_arena(self) -> bytes:
        """The arena's present content."""
