"""What must survive a restart: which numbers were given out, which were seen (RFC 8613 §7.5, Appendix B.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReplayState:
    """A replay window at rest: bit n of `seen` stands for the number `highest - n`."""

    highest: int = -1
    seen: int = 0


class OscoreStates(Protocol):
    """The durable side of contexts, by `OscoreCredential.context_name`; an answer means that it is on disk.

    Losing it altogether makes nonces repeat and thereby tells plaintexts: then the keys must be changed too.
    """

    async def reserve(self, context: str, count: int) -> int:
        """Count this many sequence numbers as used, before they are; returns the first. Begins with 0."""

    async def take_replay_state(self, context: str) -> ReplayState | None:
        """The window as it was saved, which is not saved any more when this returns.

        For a context that was never taken before, the empty `ReplayState()`. None when it was taken and not saved
        since, as after a power cut: then the peer must prove by an Echo that its request is fresh.
        """

    async def save_replay_state(self, context: str, state: ReplayState) -> None:
        """Keep a window until it is taken again."""


class MemoryStates:
    """States for tests, and for contexts whose keys do not outlive the process."""

    __slots__ = ("_next", "_replay")

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._replay: dict[str, ReplayState | None] = {}

    async def reserve(self, context: str, count: int) -> int:
        """The next numbers."""
        first = self._next.get(context, 0)
        self._next[context] = first + count
        return first

    async def take_replay_state(self, context: str) -> ReplayState | None:
        """The window, once."""
        state = self._replay.get(context, ReplayState())
        self._replay[context] = None
        return state

    async def save_replay_state(self, context: str, state: ReplayState) -> None:
        """Keep a window."""
        self._replay[context] = state
