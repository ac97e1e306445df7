"""A round under way: devices asked, updates screened, each outcome on disk under the device's name."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError
from lwm2m_ml.service.federated.device import Costs, Learner, LearningAccess, LearningDevice, LearningObjects
from lwm2m_ml.service.federated.records import FederatedRecords
from lwm2m_ml.service.federated.run import Answer, FederatedRun, Outcome

if TYPE_CHECKING:
    from lwm2m_ml.learning.round import Round

log = structlog.get_logger(__name__)


class OpenRound:
    """One round of a run. `answers` has the last outcome of each device that was asked."""

    def __init__(
        self,
        run: FederatedRun,
        learning: "Round",
        access: LearningAccess,
        objects: LearningObjects,
        records: FederatedRecords,
        *,
        weights: bytes,
    ) -> None:
        self.run = run
        self.number = run.round + 1
        self.learning = learning
        self.opened_at = time.time()
        self.answers: dict[str, Answer] = {}
        self.rejected = 0
        self._access = access
        self._objects = objects
        self._records = records
        self._weights = weights
        self._places = asyncio.Semaphore(run.plan.sampling.at_once)
        self._news = asyncio.Event()
        self._before: dict[str, tuple[int, int]] = {}
        self._costs: dict[str, Costs] = {}

    async def ask(self, learners: Mapping[str, Learner]) -> None:
        """Ask all devices; ends when enough have answered, when all have ended, or when the time is up."""
        sampling = self.run.plan.sampling
        wanted = max(1, round(sampling.enough * len(learners)))
        tasks = {
            endpoint: asyncio.create_task(self._device(learner), name=f"{self.run.id} {endpoint}")
            for endpoint, learner in learners.items()
        }
        for task in tasks.values():
            task.add_done_callback(lambda _: self._news.set())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(sampling.seconds):
                    while len(self.learning.accepted) < wanted and not all(task.done() for task in tasks.values()):
                        self._news.clear()
                        await self._news.wait()
        finally:
            late = [endpoint for endpoint, task in tasks.items() if not task.done()]
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        for endpoint in late:
            if endpoint not in self.learning.accepted:
                await self._ended(Answer(endpoint, Outcome.LATE, "no update came while the round was open"))
        await asyncio.gather(*(self._stop(learners[endpoint]) for endpoint in late))

    async def offer(self, endpoint: str, content: bytes) -> Answer:
        """Take an update in, whoever brings it; what is wrong with it is named and kept."""
        try:
            taken = self.learning.offer(endpoint, content)
        except InvalidInputError as error:
            self.rejected += 1
            log.warning("update rejected", run=self.run.id, endpoint=endpoint, reason=error.message)
            return await self._ended(Answer(endpoint, Outcome.REJECTED, error.message, bytes_up=len(content)))
        told = self.run.plan.privacy.noise == 0
        answer = Answer(
            endpoint,
            Outcome.ACCEPTED,
            examples=taken.examples,
            loss=taken.loss if told else None,
            norm=taken.norm if told else None,
        )
        return await self._ended(answer)

    @property
    def failures(self) -> int:
        """How many of the devices that were asked failed, or gave what was not taken."""
        bad = {Outcome.FAILED, Outcome.REJECTED}
        asked = self.learning.tokens.keys() - self.learning.accepted.keys()
        return sum(self.answers[endpoint].outcome in bad for endpoint in asked if endpoint in self.answers)

    def total(self, figure: Callable[[Answer], float | None]) -> float:
        """Return the sum of a figure over all devices that were asked."""
        return sum(figure(self.answers[one]) or 0 for one in self.learning.tokens if one in self.answers)

    async def _device(self, learner: Learner) -> None:
        endpoint = learner.endpoint
        async with self._places:
            self._before[endpoint] = self._access.traffic(endpoint)
            try:
                await self._learn(LearningDevice(self._access, self._objects, endpoint), learner)
            except Lwm2mMlError as error:
                await self._ended(Answer(endpoint, Outcome.FAILED, error.message))

    async def _learn(self, device: LearningDevice, learner: Learner) -> None:
        token = self.learning.ask(learner.endpoint)
        await device.begin(learner, self.run.plan, token, self._weights)
        content = await device.update(learner)
        self._costs[learner.endpoint] = await device.costs(learner)
        if learner.endpoint not in self.learning.accepted:  # else it has sent the update of its own accord
            await self.offer(learner.endpoint, content)

    async def _stop(self, learner: Learner) -> None:
        with contextlib.suppress(Lwm2mMlError, TimeoutError):
            async with asyncio.timeout(5.0):
                await LearningDevice(self._access, self._objects, learner.endpoint).stop(learner)

    async def _ended(self, answer: Answer) -> Answer:
        """Keep an outcome; that a device did well is not forgotten for what it sends afterwards."""
        answer = dataclasses.replace(self._with_costs(answer), at=time.time())
        known = self.answers.get(answer.endpoint)
        if known is None or known.outcome is not Outcome.ACCEPTED or answer.outcome is Outcome.ACCEPTED:
            self.answers[answer.endpoint] = answer
        await self._records.answer(self.run.id, self.number, answer)
        self._news.set()
        return answer

    def _with_costs(self, answer: Answer) -> Answer:
        """Add what the device told, and what passed since it was asked; a move to another address begins that anew."""
        if answer.endpoint not in self._before:
            return answer
        (came, went), (came_by_now, went_by_now) = self._before[answer.endpoint], self._access.traffic(answer.endpoint)
        costs = self._costs.get(answer.endpoint, Costs())
        return dataclasses.replace(
            answer,
            bytes_up=max(0, came_by_now - came),
            bytes_down=max(0, went_by_now - went),
            instructions=costs.instructions,
            joules=costs.joules,
        )
