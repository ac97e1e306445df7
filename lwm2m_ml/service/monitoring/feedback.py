"""Feedback: people, or other sensors, tell what a result should have been; the service and the device count it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from lwm2m_ml.errors import Lwm2mMlError, NotFoundError, UsageError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.monitoring.accuracy import FieldAccuracy
from lwm2m_ml.service.resources import ResultResource
from lwm2m_ml.store.feedback import FeedbackRecord, FeedbackRepository
from lwm2m_ml.store.results import ResultRepository

log = structlog.get_logger(__name__)

MAXIMUM_CLASS = 1_000_000


@dataclass(frozen=True, slots=True)
class ModelAccuracy:
    """How often a version of a model was right, as far as feedback tells."""

    model: str
    version: str
    accuracy: FieldAccuracy


class Feedback:
    """Takes feedback about results that devices sent."""

    def __init__(
        self,
        access: DeviceAccess,
        repository: FeedbackRepository,
        results: ResultRepository,
        *,
        result_object: int,
    ) -> None:
        self._access = access
        self._repository = repository
        self._results = results
        self._result_object = result_object
        self._telling: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Tell devices nothing more."""
        tasks = list(self._telling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def give(
        self,
        endpoint: str,
        number: int,
        true_class: int | str,
        who: str,
        *,
        labels: Mapping[str, Sequence[str]],
        series: int | None = None,
    ) -> FeedbackRecord:
        """Store the true class of a device's newest result with this number, and tell the device.

        With a `series` it is the one result of that number. A class is a number, or one of the `labels` of its model.
        Raises `NotFoundError` for a result that is not known and `UsageError` for a class that is none.
        """
        result = await self._results.newest(endpoint, number=number, series=series)
        if result is None:
            raise NotFoundError(f"{endpoint} has sent no result with the number {number}")
        if not result.model:
            raise NotFoundError(f"It is not known which model made result {number} of {endpoint}")
        record = FeedbackRecord(
            endpoint=endpoint,
            model=result.model,
            version=result.version,
            number=number,
            decided=result.class_index,
            true_class=_class_index(true_class, labels.get(result.model, ())),
            given_by=who,
            series=result.series,
        )
        await self._repository.put(record)
        task = asyncio.create_task(self._tell(record, result.slot or 0))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return record

    async def accuracy(
        self, *, model: str | None = None, endpoint: str | None = None, since: float = 0.0
    ) -> tuple[ModelAccuracy, ...]:
        """Return how often each version was right, of one model or on one device when asked."""
        found = await self._repository.agreements(model=model, endpoint=endpoint, since=since)
        return tuple(ModelAccuracy(one.model, one.version, FieldAccuracy(one.right, one.judged)) for one in found)

    async def _tell(self, record: FeedbackRecord, slot: int) -> None:
        """Let the device count too; one that cannot take feedback, or is away, misses nothing that is not here."""
        path = ObjectPath(self._result_object, slot, int(ResultResource.FEEDBACK))
        arguments = f"0='{record.number}',1='{record.true_class}'"
        if record.series:
            arguments += f",2='{record.series}'"
        try:
            await self._access.execute(record.endpoint, path, arguments)
        except Lwm2mMlError as error:
            log.info("device not told of feedback", endpoint=record.endpoint, reason=error.message)


def _class_index(true_class: int | str, labels: Sequence[str]) -> int:
    if isinstance(true_class, str) and true_class in labels:
        return labels.index(true_class)
    if isinstance(true_class, str) and true_class.isdecimal():
        true_class = int(true_class)
    if isinstance(true_class, int) and 0 <= true_class < (len(labels) or MAXIMUM_CLASS):
        return true_class
    known = f"one of {', '.join(labels)}" if labels else "a number from 0"
    raise UsageError(f"{true_class!r} is no class", hint=f"A class is {known}")
