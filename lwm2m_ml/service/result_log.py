"""Keeps results: from what devices send into the store, and from the store to whoever asks."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import structlog

from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.service.results import InferenceResult, ResultReader
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.results import ResultRecord, ResultRepository

log = structlog.get_logger(__name__)

RETENTION = 30 * 86400.0
PRUNE_INTERVAL = 3600.0
PAGE = 2_000
LARGEST_ANSWER = 10_000
REMEMBERED_SERIES = 100_000


class ResultLog:
    """Every result of every device, for a month."""

    def __init__(self, repository: ResultRepository, reader: ResultReader) -> None:
        self._repository = repository
        self._reader = reader
        self._pruning: asyncio.Task[None] | None = None
        self._latest: dict[tuple[str, int | None], int] = {}
        """The last number of each series, by which a notification of a result that was sent, too, is known."""

    def start(self) -> None:
        """Forget old results from now on."""
        self._pruning = asyncio.create_task(self._prune())

    async def stop(self) -> None:
        """Forget no more."""
        if self._pruning is not None:
            self._pruning.cancel()
            await asyncio.wait((self._pruning,))

    @property
    def dropped(self) -> dict[str, int]:
        """How many results were dropped, by what was absurd about them."""
        return dict(self._reader.dropped)

    async def results(self, endpoint: str, since: int = 0) -> tuple[InferenceResult, ...]:
        """Return the results of a device with numbers above `since`, oldest first, at most the newest 10,000."""
        found: list[InferenceResult] = []
        after = 0
        while page := await self._repository.of_endpoint(endpoint, after_id=after, limit=PAGE):
            found.extend(_from_record(record) for record in page if record.number > since)
            del found[:-LARGEST_ANSWER]
            after = page[-1].id
            if len(page) < PAGE:
                break
        return tuple(found)

    def keep(self, event: DataSent | Notified) -> Commit | None:
        """Write the results in what a device sent or notified. None when there is no result in it."""
        dropped = self._reader.dropped.total()
        found = self._reader.read(event.endpoint, event.records, event.received_at)
        if self._reader.dropped.total() > dropped:
            log.warning("absurd results dropped", endpoint=event.endpoint, dropped=self.dropped)
        if isinstance(event, Notified):
            found = tuple(result for result in found if self._latest.get(_series(result)) != result.number)
        if not found:
            return None
        commit = self._repository.add_all([_to_record(result) for result in found])
        commit.then(partial(self._kept, found))
        return commit

    def _kept(self, results: Sequence[InferenceResult], error: Exception | None) -> None:
        if error is None:
            for result in results:
                series = _series(result)
                if series not in self._latest and len(self._latest) >= REMEMBERED_SERIES:
                    del self._latest[next(iter(self._latest))]
                self._latest[series] = result.number

    async def _prune(self) -> None:
        while True:
            self._repository.delete_before(time.time() - RETENTION)
            await asyncio.sleep(PRUNE_INTERVAL)


def _series(result: InferenceResult) -> tuple[str, int | None]:
    return result.endpoint, result.slot


def _to_record(result: InferenceResult) -> ResultRecord:
    return ResultRecord(
        endpoint=result.endpoint,
        model="" if result.slot is None else str(result.slot),
        number=result.number,
        class_index=result.class_index,
        label=result.label,
        confidence=result.confidence,
        scores=result.scores,
        latency=result.latency,
        received_at=result.received_at,
    )


def _from_record(record: ResultRecord) -> InferenceResult:
    return InferenceResult(
        endpoint=record.endpoint,
        number=record.number,
        class_index=record.class_index,
        label=record.label,
        confidence=record.confidence,
        scores=record.scores,
        latency=record.latency,
        received_at=record.received_at,
        slot=int(record.model) if record.model.isdigit() else None,
    )
