"""Whether what is submitted gets written at present: what operators and their alarms have to know at once."""

import time
from collections.abc import Iterable

import structlog

from lwm2m_ml.store.errors import StoreError, StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)


class Durability:
    """In trouble from a write that failed by the database's fault to the next one that did not."""

    def __init__(self) -> None:
        self.trouble: StoreError | None = None
        """Why nothing is written; None while all is well."""
        self._since = 0.0

    def judge(self, written: bool, errors: Iterable[Exception]) -> None:
        """Take in how a batch went: whether anything of it is on disk, and what its failures were."""
        if written:
            self._recovered()
            return
        for error in errors:
            if isinstance(error, StoreFull | StoreUnavailable):
                self._failed(error)
                return

    def _failed(self, error: StoreError) -> None:
        if self.trouble is None:
            self._since = time.monotonic()
            log.error("the database takes no writes", reason=str(error))
        self.trouble = error

    def _recovered(self) -> None:
        if self.trouble is not None:
            log.warning("the database takes writes again", after_seconds=round(time.monotonic() - self._since, 1))
        self.trouble = None
