"""Keeps results: from what devices send into the store, and from the store to whoever asks.

Devices send results at least once, so what comes twice is told by its number and not stored again; what is missing is
counted. A result is taken for that of the module whose sequence number came with it, else of the one that the device
was last known to run.

The first result of a series, or of a module, since the server started waits for a look into the store. All later ones
are judged at once.
"""

import time
from collections.abc import Sequence
from functools import partial

import structlog

from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.server.rates import Rates
from lwm2m_ml.service.monitoring.installed import Installed
from lwm2m_ml.service.monitoring.known_modules import KnownModules
from lwm2m_ml.service.monitoring.looks import Looks, Results
from lwm2m_ml.service.monitoring.result_numbers import UNTOLD, Arrival, SlotNumbers
from lwm2m_ml.service.monitoring.results import InferenceResult, ResultReader
from lwm2m_ml.store.commit import Commit
from lwm2m_ml.store.errors import StoreError
from lwm2m_ml.store.results import ResultRecord, ResultRepository

log = structlog.get_logger(__name__)

PAGE = 2_000
LARGEST_ANSWER = 10_000
REMEMBERED_SERIES = 200_000

Series = tuple[str, int]
"""Endpoint and slot."""


class TooManyResults(StoreError, UnavailableError):
    """A device sends results faster than it may: it is to come again later, and nobody else waits for it."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"{endpoint} sends results too often", hint="Set monitoring.result_messages higher")


class ResultLog:
    """Every result of every device."""

    def __init__(
        self,
        repository: ResultRepository,
        reader: ResultReader,
        modules: KnownModules,
        installed: Installed,
        *,
        messages_per_second: float,
    ) -> None:
        """`messages_per_second` is how many messages with results a device may send; 0 sets no limit."""
        self._repository = repository
        self._reader = reader
        self._modules = modules
        self._installed = installed
        self._series: dict[Series, SlotNumbers] = {}
        self._under_way: dict[Series, Commit] = {}
        """The write of a series' newest results, until it is done."""
        self._looks = Looks(self._learn, self._keep)
        self._rates = Rates(messages_per_second)
        self.put_off = 0
        """Messages that came too soon after others of their device; they are sent again."""

    async def stop(self) -> None:
        """Give up looks into the store; what waits for them is answered by nobody, and sent again."""
        await self._looks.stop()

    @property
    def dropped(self) -> dict[str, int]:
        """How many results were dropped, by what was absurd about them."""
        return dict(self._reader.dropped)

    async def results(
        self, endpoint: str, since: int = 0, *, after: int = 0, newest: int | None = None
    ) -> tuple[InferenceResult, ...]:
        """Return the results of a device with numbers above `since`, oldest first, at most the newest 10,000.

        Numbers begin anew with each module; `after` leaves out all up to the result with this id. With `newest` it is
        those among so many of the newest.
        """
        if newest is not None:
            latest = await self._repository.latest(endpoint, min(newest, LARGEST_ANSWER))
            return tuple(_from_record(one) for one in latest if one.number > since and one.id > after)
        found: list[InferenceResult] = []
        while page := await self._repository.of_endpoint(endpoint, after_id=after, limit=PAGE):
            found.extend(_from_record(record) for record in page if record.number > since)
            del found[:-LARGEST_ANSWER]
            after = page[-1].id
            if len(page) < PAGE:
                break
        return tuple(found)

    def keep(self, event: DataSent | Notified) -> Commit | None:
        """Write the results in what a device sent or notified. None when there is nothing in it to wait for.

        What was observed behind a gateway is not the gateway's, and nobody's whose results are kept.
        Raises `TooManyResults` when the device has to wait first.
        """
        if isinstance(event, Notified) and event.prefix:
            return None
        dropped = self._reader.dropped.total()
        found = self._reader.read(event.endpoint, event.records, event.received_at)
        if self._reader.dropped.total() > dropped:
            log.warning("absurd results dropped", endpoint=event.endpoint, dropped=self.dropped)
        if not found:
            return None
        if not self._rates.take(event.endpoint, time.monotonic()):
            self.put_off += 1
            raise TooManyResults(event.endpoint)
        # Results behind others that wait for a look wait too: their order tells what is missing.
        if event.endpoint in self._looks or not all(map(self._known, found)):
            return self._looks.keep(event.endpoint, found)
        return self._keep(found)

    def _known(self, result: InferenceResult) -> bool:
        known = result.sequence is None or self._modules.remembered(result.sequence)[0]
        return known and (result.endpoint, result.slot) in self._series

    async def _learn(self, messages: Sequence[Results]) -> None:
        """Find out what is not known yet of the modules and the series of these results."""
        found = [result for results in messages for result in results]
        await self._modules.find_sequences(result.sequence for result in found if result.sequence is not None)
        highest = await self._repository.highest_numbers({result.endpoint for result in found})
        for series in {(result.endpoint, result.slot) for result in found} - self._series.keys():
            self._remember(series, SlotNumbers(*highest.get(series, (UNTOLD, None))))

    def _remember(self, series: Series, numbers: SlotNumbers) -> None:
        if len(self._series) >= REMEMBERED_SERIES:
            del self._series[next(iter(self._series))]
        self._series[series] = numbers

    def _keep(self, results: Sequence[InferenceResult]) -> Commit | None:
        """Write what is new; what is there already is waited for when it is still being written."""
        new: list[ResultRecord] = []
        written: list[Series] = []
        repeated: Commit | None = None
        for result in results:
            series = (result.endpoint, result.slot)
            judged = self._series[series].judge(result.series, result.number)
            if judged.arrival is Arrival.DUPLICATE:
                repeated = self._under_way.get(series, repeated)
                continue
            new.append(self._record(result, judged.lost))
            written.append(series)
        if not new:
            return repeated if repeated is not None and not repeated.settled else None
        try:
            commit = self._repository.add_all(new)
        except StoreError:
            self._forget(written)
            raise
        self._under_way |= dict.fromkeys(written, commit)
        commit.then(partial(self._written, commit, written))
        return commit

    def _written(self, commit: Commit, written: Sequence[Series], error: Exception | None) -> None:
        if error is not None:
            self._forget(written)
        for series in written:
            if self._under_way.get(series) is commit:
                del self._under_way[series]

    def _forget(self, written: Sequence[Series]) -> None:
        """Forget where series stand whose results could not be written: they will be sent again."""
        for series in written:
            self._series.pop(series, None)

    def _record(self, result: InferenceResult, lost: int) -> ResultRecord:
        module = None if result.sequence is None else self._modules.remembered(result.sequence)[1]
        module = module or self._installed.module(result.endpoint, result.slot)
        return ResultRecord(
            endpoint=result.endpoint,
            model="" if module is None else module.model,
            version="" if module is None else module.version,
            slot=result.slot,
            number=result.number,
            lost=lost,
            class_index=result.class_index,
            label=result.label,
            confidence=result.confidence,
            scores=result.scores,
            latency=result.latency,
            energy=result.energy,
            received_at=result.received_at,
            series=result.series,
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
        slot=record.slot or 0,
        energy=record.energy,
        model=record.model,
        version=record.version,
        lost=record.lost,
        id=record.id,
        series=record.series,
    )
