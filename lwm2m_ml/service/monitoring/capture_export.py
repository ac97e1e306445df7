"""Captured inputs as a labelled data set: an `.npz` file that training reads as it is."""

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.workers.capture_file import UNKNOWN, capture_file
from lwm2m_ml.service.workers.workers import Workers
from lwm2m_ml.store.captures import CaptureRecord, CaptureRepository
from lwm2m_ml.store.feedback import FeedbackRepository

PAGE = 500
LARGEST_BYTES = 256 << 20


class CaptureExport:
    """Puts inputs and the feedback about their results together."""

    def __init__(self, captures: CaptureRepository, feedback: FeedbackRepository, workers: Workers) -> None:
        self._captures = captures
        self._feedback = feedback
        self._workers = workers

    async def export(self, model: str, since: float = 0.0) -> bytes:
        """Return the inputs of a model captured since a time (Unix seconds), at most 256 MB, as `.npz`.

        Arrays: `inputs` (float32, n × the shape of the input), `labels` (int64: the class that feedback told, else
        -1), `numbers` of the results that they led to (-1: unknown) and their `series`, `endpoints` and `captured_at`.
        Raises `NotFoundError` when there are none.
        """
        records = await self._records(model, since)
        if not records:
            raise NotFoundError(
                f"No input of {model} was captured", hint="Allow it with: lwm2m-ml captures allow ENDPOINT"
            )
        labels = await self._labels(records)
        what = f"Writing {len(records)} captured inputs of {model}"
        return await self._workers.run(capture_file, records, labels, what=what)

    async def _records(self, model: str, since: float) -> list[CaptureRecord]:
        records: list[CaptureRecord] = []
        size = after = 0
        while page := await self._captures.of_model(model, after_id=after, since=since, limit=PAGE):
            records.extend(page)
            after = page[-1].id
            size += sum(len(record.content) for record in page)
            if size > LARGEST_BYTES or len(page) < PAGE:
                break
        return records

    async def _labels(self, records: list[CaptureRecord]) -> list[int]:
        told: dict[tuple[str, str, str], dict[tuple[int, int], int]] = {}
        for key in {(record.endpoint, record.model, record.version) for record in records}:
            told[key] = await self._feedback.of_endpoint(*key)
        return [
            UNKNOWN
            if record.number is None
            else told[record.endpoint, record.model, record.version].get((record.series, record.number), UNKNOWN)
            for record in records
        ]
