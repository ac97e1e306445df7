"""When a client in queue mode can be reached (Core TS V1_2 §6.5; RFC 7252 §4.8.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MAX_TRANSMIT_WAIT: Final = 93.0
"""Seconds from the first transmission of a message until its sender gives up; a client stays awake so long (§6.5)."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a client listens. Times are seconds of one monotonic clock."""

    queue_mode: bool
    last_message_at: float
    awake_seconds: float = MAX_TRANSMIT_WAIT
    asleep: bool = False

    def awake(self, now: float) -> bool:
        """Tell whether a request sent now can be expected to arrive."""
        if not self.queue_mode:
            return True
        return not self.asleep and now < self.last_message_at + self.awake_seconds

    def heard(self, now: float) -> Presence:
        """Return the presence after a message from the client, of whatever kind: it stays awake from now on."""
        return replace(self, last_message_at=now, asleep=False)

    def silent(self) -> Presence:
        """Return the presence after a request that was never answered: the client sleeps until it is heard again."""
        return replace(self, asleep=True)

    def sleeps_at(self) -> float | None:
        """Return when the client goes to sleep unless it is heard; None for one that never sleeps or already does."""
        return self.last_message_at + self.awake_seconds if self.queue_mode and not self.asleep else None
