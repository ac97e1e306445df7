"""Those who write what devices report, before the devices are told that it arrived."""

from collections.abc import Callable

from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.store.commit import Commit, all_of
from lwm2m_ml.store.errors import StoreError

Keeper = Callable[[DataSent | Notified], Commit | None]
"""Writes what was sent or notified. None: there is nothing to keep in it."""


class Keepers:
    """Who is asked to keep each Send and each notification."""

    def __init__(self) -> None:
        self._keepers: list[Keeper] = []
        self.away = False
        """While those who keep are not there yet, or not any more, nothing is taken: devices send it again."""

    def add(self, keeper: Keeper) -> None:
        """Ask this keeper, too."""
        self._keepers.append(keeper)

    def remove(self, keeper: Keeper) -> None:
        """Ask this keeper no more."""
        self._keepers.remove(keeper)

    def keep(self, event: DataSent | Notified) -> Commit | None:
        """Let everybody write; None when nobody has anything to.

        Raises `StoreError` when the store takes no more, and while those who keep are away.
        """
        if self.away:
            raise StoreError("Those who keep what devices report are not there")
        commits = [commit for keeper in self._keepers if (commit := keeper(event)) is not None]
        return all_of(commits) if commits else None
