"""The time that records carry."""

import time


def now() -> float:
    """Unix seconds."""
    return time.time()
