"""For fleets too large to emulate every inference: some are executed, others take an outcome that was executed before.

An outcome is only taken over from the same machine code with the same inputs on the same target, so it is the one that
execution would give: an emulated module keeps nothing from one run to the next. What was never executed is executed.
"""

import hashlib
import random
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, TypeVar

Outcome = TypeVar("Outcome")
_CAPACITY = 65_536


class OutcomeMemory(Generic[Outcome]):
    """Outcomes of all devices of a fleet, the oldest forgotten first; counts what was executed and what was not."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self.executed = 0
        self.taken_over = 0
        self._capacity = capacity
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, Outcome] = OrderedDict()

    def recall(self, key: bytes) -> Outcome | None:
        """Return what is known."""
        with self._lock:
            found = self._known.get(key)
            self.taken_over += found is not None
            return found

    def remember(self, key: bytes, outcome: Outcome) -> None:
        """Keep what was executed just now."""
        with self._lock:
            self.executed += 1
            self._known[key] = outcome
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)


class Sampling(Generic[Outcome]):
    """One device's share in that: `share` of its inferences are executed whatever is known."""

    def __init__(self, share: float, seed: int, memory: OutcomeMemory[Outcome]) -> None:
        self._share = share
        self._random = random.Random(seed)
        self._memory = memory

    def recall(self, key: bytes) -> Outcome | None:
        """Return an outcome to take over; None means that this one has to be executed."""
        return None if self._random.random() < self._share else self._memory.recall(key)

    def remember(self, key: bytes, outcome: Outcome) -> None:
        """Keep an outcome for all devices."""
        self._memory.remember(key, outcome)


def outcome_key(target: str, clock_hz: float, payload: bytes, inputs: Sequence[bytes]) -> bytes:
    """Return what an outcome depends on, as a digest."""
    digest = hashlib.sha256(f"{target} {clock_hz!r} {len(payload)}".encode())
    digest.update(payload)
    for data in inputs:
        digest.update(len(data).to_bytes(4) + data)
    return digest.digest()
