"""Sessions at rest: what a restart or another node needs to go on without a handshake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lwm2m_ml.coap.remote import SocketAddress


@dataclass(frozen=True, slots=True)
class RestingSession:
    """A session of an identity that was last heard from an address; `exported` holds its keys."""

    identity: str
    address: SocketAddress
    exported: bytes = field(repr=False)


class SessionStates(Protocol):
    """Where sessions rest while no process has them.

    A session is used by one process at a time: two would seal different records with the same nonce, which tells
    their plaintexts. Therefore it is taken out before it is used, and is gone when the process ends without saving.
    """

    async def take(self) -> Sequence[RestingSession]:
        """Every saved session; when this returns, none is saved any more."""

    async def save(self, sessions: Iterable[RestingSession]) -> None:
        """Keep sessions until they are taken."""


class MemorySessions:
    """Sessions that outlive an endpoint but not the process: for tests and simulated devices."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved: list[RestingSession] = []

    async def take(self) -> Sequence[RestingSession]:
        """Everything, once."""
        saved, self._saved = self._saved, []
        return saved

    async def save(self, sessions: Iterable[RestingSession]) -> None:
        """Keep sessions."""
        self._saved.extend(sessions)
