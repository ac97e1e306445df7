"""Equal values held once: what a hundred thousand devices of a few kinds have in common takes the memory of a few."""

import functools
from collections.abc import Hashable
from typing import TypeVar

Value = TypeVar("Value", bound=Hashable)

REMEMBERED = 16_384
"""Values; a fleet in which more of them differ holds its own, as if there were no sharing."""


@functools.lru_cache(maxsize=REMEMBERED, typed=True)
def shared(value: Value) -> Value:
    """The first of all values that equal this one, for types whose equals cannot be told apart."""
    return value
