"""How the bytes of a package get to a device: it fetches them, or they are written to it."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Transfer(StrEnum):
    """Who moves the bytes, and over what."""

    PULL = "pull"
    """The device fetches over CoAP, in the security that it registered with."""
    PULL_HTTP = "pull over HTTP"
    """The device fetches over HTTP or HTTPS."""
    PUSH = "push"
    """The server writes the package, block by block."""


class Severity(IntEnum):
    """How urgent an update by reboot is: values of /5/0/11."""

    CRITICAL = 0
    MANDATORY = 1
    OPTIONAL = 2


@dataclass(frozen=True, slots=True)
class Urgency:
    """What a device's user may do about an update by reboot (object 5, from 1.2): defer it for so many seconds."""

    severity: Severity = Severity.MANDATORY
    maximum_defer: int = 0


@dataclass(frozen=True, slots=True)
class Push:
    """A package to be written: for how many seconds at most, in blocks of which size (None: the largest)."""

    package: bytes = field(repr=False)
    within: float
    block_bytes: int | None = None
