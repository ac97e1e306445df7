"""Who acts for what: one owner at a time for each device and each kind of common work.

A process that is alone owns everything. In a cluster an owner has a lease, and a token that grows with every change of
owner and goes with what it writes and sends, so that a former owner is refused however late it wakes up.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from lwm2m_ml.errors import UnavailableError


class NotOwner(UnavailableError):
    """Somebody else acts for this, or it is not known who does."""


@dataclass(frozen=True, slots=True)
class OwnershipGained:
    """This process acts for `name` from now on; somebody else may have done so before."""

    name: str


@dataclass(frozen=True, slots=True)
class OwnershipLost:
    """This process does not act for `name` any more."""

    name: str


@dataclass(frozen=True, slots=True)
class ProcessLost:
    """Another process has ended, or acts for nothing any more: nobody goes on with what it had begun by itself."""

    process: str


class Ownership(Protocol):
    """What this process acts for."""

    def has(self, name: str) -> bool:
        """Whether this process acts for `name` at this moment."""

    def claim(self, name: str) -> "asyncio.Future[None]":
        """Act for `name` from now on; fails with `NotOwner` when that cannot be: somebody else does, or nobody knows.

        Another node that works is asked to let go of it, and does.
        """

    def token(self, name: str) -> int | None:
        """What goes with writes about `name`; None when this process does not act for it."""

    async def is_elsewhere(self, name: str) -> bool:
        """Whether another process acts for `name`. Raises `NotOwner` when nobody knows."""

    def check(self) -> None:
        """Raise `NotOwner` when this process can act for nothing at present."""


class SoleOwner:
    """A process that is alone."""

    def has(self, name: str) -> bool:
        """Everything is ours."""
        return True

    def claim(self, name: str) -> "asyncio.Future[None]":
        """It is ours already."""
        claimed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        claimed.set_result(None)
        return claimed

    def token(self, name: str) -> int | None:
        """The only one there is."""
        return 0

    async def is_elsewhere(self, name: str) -> bool:
        """There is nobody else."""
        return False

    def check(self) -> None:
        """There is nobody else whom it would depend on."""
