"""A clock that stands still until it is told to move, in place of the process's own."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import time_machine

EPOCH = 1_767_225_600.0
"""The moment at which virtual time begins unless the caller says otherwise: 2026-01-01 00:00 UTC."""


class VirtualClock:
    """Seconds that have passed, and the date that it is. Begins at `epoch`, a POSIX time stamp."""

    def __init__(self, epoch: float = EPOCH) -> None:
        self.epoch = epoch
        self.elapsed = 0.0
        self._date: time_machine.Traveller | None = None

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.elapsed += seconds
        if self._date is not None:
            # Set, not shifted: rounding to nanoseconds would add up over a million steps.
            self._date.move_to(self.epoch + self.elapsed, tick=False)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let this process's `time` and `datetime` tell this clock's time, for as long as the block runs.

        `time.monotonic` is replaced where it is looked up, in the module `time`, and for this thread alone: threads
        that wait for other processes with a time limit need a clock that moves.
        """
        real, here = time.monotonic, threading.get_ident()
        with time_machine.travel(self.epoch + self.elapsed, tick=False) as date:
            self._date = date
            time.monotonic = lambda: self.elapsed if threading.get_ident() == here else real()
            try:
                yield
            finally:
                self._date, time.monotonic = None, real
