"""What kinds of failure there are, told by the sentences that deliveries and devices give as reasons.

The first pattern that occurs in a reason decides. What no pattern knows is `other`, which nobody retries by default.
"""

from enum import StrEnum


class FailureKind(StrEnum):
    """Why a device failed, coarsely enough to decide whether another attempt may help."""

    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"
    STUCK = "stuck"
    NO_ROOM = "no room"
    NOT_TRUSTED = "not trusted"
    TRIAL = "trial"
    WRONG_VERSION = "wrong version"
    BUILD = "build"
    OTHER = "other"


RETRYABLE = frozenset({FailureKind.UNREACHABLE, FailureKind.INTERRUPTED, FailureKind.STUCK})
"""What another attempt may cure."""

_PATTERNS: tuple[tuple[str, FailureKind], ...] = (
    ("has not answered", FailureKind.UNREACHABLE),
    ("is not registered", FailureKind.UNREACHABLE),
    ("does not answer", FailureKind.UNREACHABLE),
    ("expected version", FailureKind.WRONG_VERSION),
    ("connection lost", FailureKind.INTERRUPTED),
    ("registered anew", FailureKind.INTERRUPTED),
    ("digest mismatch", FailureKind.INTERRUPTED),
    ("integrity check", FailureKind.INTERRUPTED),
    ("no block fetched", FailureKind.STUCK),
    ("not installed for", FailureKind.STUCK),
    ("not active for", FailureKind.STUCK),
    ("was not emptied", FailureKind.STUCK),
    ("has not finished checking", FailureKind.STUCK),
    ("did not become one to go on from", FailureKind.STUCK),
    ("given up after", FailureKind.STUCK),
    ("too small", FailureKind.NO_ROOM),
    ("not enough", FailureKind.NO_ROOM),
    ("out of memory", FailureKind.NO_ROOM),
    ("signature", FailureKind.NOT_TRUSTED),
    ("vendor or class", FailureKind.NOT_TRUSTED),
    ("sequence number", FailureKind.NOT_TRUSTED),
    ("trial", FailureKind.TRIAL),
    ("self test", FailureKind.TRIAL),
    ("limit passed", FailureKind.TRIAL),
    ("rolled back", FailureKind.TRIAL),
    ("fell back", FailureKind.TRIAL),
    ("Compiling", FailureKind.BUILD),
)


def kind_of(reason: str) -> FailureKind:
    """Return the kind of failure that a reason tells of."""
    return next((kind for pattern, kind in _PATTERNS if pattern in reason), FailureKind.OTHER)
