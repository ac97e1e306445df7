"""How the bytes of a package get to a device: it fetches them, or they are written to it."""

from dataclasses import dataclass, field
from enum import StrEnum


class Transfer(StrEnum):
    """Who moves the bytes, and over what."""

    PULL = "pull"
    """The device fetches over CoAP, in the security that it registered with."""
    PULL_HTTP = "pull over HTTP"
    """The device fetches over HTTP or HTTPS."""
    PUSH = "push"
    """The server writes the package, block by block."""


@dataclass(frozen=True, slots=True)
class Push:
    """A package to be written: for how many seconds at most, in blocks of which size (None: the largest)."""

    package: bytes = field(repr=False)
    within: float
    block_bytes: int | None = None
