"""What becomes of a write: awaited by those who can wait, told to those who answer ten thousand others meanwhile."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import structlog

Listener = Callable[[Exception | None], None]
"""Hears that a write is on disk (None), or why it is not."""

log = structlog.get_logger(__name__)


class Commit:
    """One write on its way to the disk.

    Listeners are called at once when its batch is committed, without a task or a turn of the event loop for each;
    awaiting it raises what went wrong.
    """

    __slots__ = ("_error", "_listeners", "_settled")

    def __init__(self) -> None:
        self._settled = False
        self._error: Exception | None = None
        self._listeners: list[Listener] = []

    @property
    def settled(self) -> bool:
        """Whether it is known how the write went."""
        return self._settled

    def then(self, listener: Listener) -> None:
        """Call `listener` when it is known how the write went; at once if it is known already."""
        if self._settled:
            listener(self._error)
        else:
            self._listeners.append(listener)

    def settle(self, error: Exception | None = None) -> None:
        """Say how the write went. A listener that fails is its author's problem, and no other listener's."""
        self._settled = True
        self._error = error
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            try:
                listener(error)
            except Exception:
                log.exception("what follows a write failed")

    def __await__(self) -> Generator[Any, None, None]:
        if not self._settled:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.then(lambda _error: None if waiter.done() else waiter.set_result(None))
            yield from waiter
        if self._error is not None:
            raise self._error


def all_of(commits: list[Commit]) -> Commit:
    """The commit that is done when all of these are, and fails with the first of them that fails."""
    if len(commits) == 1:
        return commits[0]
    together = Commit()
    missing = len(commits)

    def one_settled(error: Exception | None) -> None:
        nonlocal missing
        missing -= 1
        if not together.settled and (error is not None or not missing):
            together.settle(error)

    for commit in commits:
        commit.then(one_settled)
    return together
