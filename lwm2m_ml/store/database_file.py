"""The files of a SQLite database: whether what is written to them will be found by their names again.

A process goes on writing to a file that was removed or moved away, without an error, and everything is lost with it.
"""

import os
from pathlib import Path

from lwm2m_ml.store.errors import StoreUnavailable

Identity = tuple[int, int]
"""Device and inode."""


class DatabaseFile:
    """A database that is there, and its write-ahead log, as they were when they were first seen."""

    def __init__(self, path: Path) -> None:
        self._paths = (path, path.with_name(f"{path.name}-wal"))
        self._known: dict[Path, Identity] = {}
        self.check()

    def check(self) -> None:
        """Raise `StoreUnavailable` when a file is not the one that it was; all is well again when it is back."""
        for path in self._paths:
            found, known = _identity(path), self._known.get(path)
            if known is None and found is not None:
                self._known[path] = found
            elif found != known:
                what = "is gone" if found is None else "was replaced by another one"
                raise StoreUnavailable(
                    f"The file {path.name} of the database {what}", hint="Put it back, or restart the server"
                )


def _identity(path: Path) -> Identity | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
