"""What a process that serves a fleet does once, after start-up."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_GENERATION = 50_000
MIDDLE_GENERATION = 50
OLD_GENERATION = 1_000

SWITCH_INTERVAL = 0.001
"""Seconds until a thread that computes lets another one go on; Python's own 5 ms is for programs without deadlines."""


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Collect nothing while what lives long is loaded: walking over it again and again takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def prepare_for_load() -> None:
    """Let the garbage collector leave alone what start-up made, and look less often at what lives long.

    Registrations, observations and peers live for hours; walking over 100,000 of them takes the collector hundreds
    of milliseconds, in which every request waits. Nothing on the request path makes reference cycles.

    Threads take turns sooner: the one that writes to the database gives up its turn at every row, and under load would
    wait for it again as long as the event loop may keep it.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_GENERATION, MIDDLE_GENERATION, OLD_GENERATION)
