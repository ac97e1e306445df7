"""The numbers that ML Learning (object 42772) speaks in."""

from enum import IntEnum


class Method(IntEnum):
    """42772/x/6: what a device does with its examples."""

    AVERAGING = 0
    """Local descent over some epochs; the update is how far the parameters went."""
    GRADIENT = 1
    """One gradient over all examples; the update is minus that."""


class VectorEncoding(IntEnum):
    """42772/x/12: how the numbers of an update are written."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT8 = 2
    """Blocks of 64 numbers of one byte, each block with a float32 scale."""


class LearningState(IntEnum):
    """42772/x/1."""

    IDLE = 0
    LEARNING = 1
    READY = 2
    FAILED = 3


class LearningResult(IntEnum):
    """42772/x/2."""

    INITIAL = 0
    SUCCESS = 1
    TOO_FEW_EXAMPLES = 2
    NO_LEARNING_MODULE = 3
    WRONG_WEIGHTS = 4
    MODULE_FAILED = 5
    DIVERGED = 6
    CANCELLED = 7
