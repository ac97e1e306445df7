"""Drives one federated run: draws devices, opens rounds, moves the parameters, pauses when too much goes wrong.

A round is on disk when it is over, with the parameters that it brought. A server that is killed in the middle of one
begins that round anew, with new tokens: what was sent for the old one is then of another round, and is refused.
"""

import asyncio
import contextlib
import dataclasses
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import ConflictError, Lwm2mMlError
from lwm2m_ml.learning.accountant import epsilon
from lwm2m_ml.service.campaigns.runner import SERVICE
from lwm2m_ml.service.campaigns.states import CampaignEvent, CampaignState
from lwm2m_ml.service.federated.device import Learner, LearningAccess, LearningDevice, LearningObjects
from lwm2m_ml.service.federated.open_round import OpenRound
from lwm2m_ml.service.federated.records import FederatedRecords
from lwm2m_ml.service.federated.run import (
    TABLE,
    Answer,
    FederatedChanged,
    FederatedNote,
    FederatedRound,
    FederatedRun,
    Outcome,
)

if TYPE_CHECKING:
    from lwm2m_ml.learning.round import Round

NOBODY_SECONDS = 5.0
"""How long is waited when no device can be asked."""

_WORDS = {
    CampaignEvent.PHASE_ENDED: "all rounds are over, devices are told to infer with what was learnt",
    CampaignEvent.PASSED_LAST: "devices were told",
}

log = structlog.get_logger(__name__)


class FederatedRunner:
    """One run that is not over."""

    def __init__(
        self, run: FederatedRun, access: LearningAccess, objects: LearningObjects, records: FederatedRecords, bus: Bus
    ) -> None:
        self.run = run
        self.round: OpenRound | None = None
        self._access = access
        self._objects = objects
        self._records = records
        self._bus = bus
        self._learners: dict[str, Learner] = {}
        self._why_not: dict[str, str] = {}
        self._waiting = ""
        self._work: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._lottery = random.SystemRandom()

    @property
    def id(self) -> str:
        """The run's."""
        return self.run.id

    @property
    def state(self) -> CampaignState:
        """The run's."""
        return self.run.state

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return self.run.finished

    async def drive(self) -> None:
        """Go on until the run is over."""
        while not self.run.finished:
            if self.run.state is CampaignState.PAUSED:
                await self._paused()
                continue
            self._work = asyncio.create_task(self._step(), name=f"{self.run.id} round")
            try:
                await asyncio.shield(self._work)
            except asyncio.CancelledError:
                # Either a command ended the work, or the service stops: then this task itself is cancelled.
                self._work.cancel()
                await asyncio.gather(self._work, return_exceptions=True)
                if not self.run.finished:
                    raise
            finally:
                self.round = None

    async def command(self, event: CampaignEvent, who: str, reason: str = "") -> None:
        """Do what an operator wants; raises `ConflictError` when the run's state does not allow it."""
        async with self._turn:
            if (self.run.state, event) not in TABLE:
                raise ConflictError(f"Run {self.run.id} is {self.run.state}: {event} means nothing in that state")
            await self._take(event, who, reason)
        if self.run.finished and self._work is not None:
            self._work.cancel()
        self._news.set()

    async def offer(self, endpoint: str, content: bytes) -> bool:
        """Take an update that a device sent of its own accord; False when it is none of this run's devices."""
        if self.round is None or endpoint not in self.round.learning.tokens:
            return False
        await self.round.offer(endpoint, content)
        return True

    async def refuse(self, endpoint: str, reason: str) -> None:
        """Name a device that sent an update which nobody had asked for."""
        answer = Answer(endpoint, Outcome.REJECTED, reason, time.time())
        await self._records.answer(self.run.id, self.run.round + 1, answer)
        await self._note(SERVICE, f"an update from {endpoint} was rejected: {reason}")

    def explain(self) -> str:
        """Say in a sentence what the run waits for."""
        if self.run.state is CampaignState.PAUSED:
            return self.run.reason or "paused by an operator"
        if self.round is not None:
            asked, got = len(self.round.learning.tokens), len(self.round.learning.accepted)
            return f"round {self.round.number} of {self.run.plan.rounds}: {got} of {asked} devices have answered"
        return self._waiting

    def why_not(self) -> Mapping[str, str]:
        """The devices that did not take part when they were last looked at, and why."""
        return dict(self._why_not)

    async def _step(self) -> None:
        """One round, or what comes after the last."""
        if self.run.state is CampaignState.SOAKING:
            await self._adopt()
            await self._happens(CampaignEvent.PASSED_LAST)
            return
        if self.run.round >= self.run.plan.rounds:
            await self._happens(CampaignEvent.PHASE_ENDED)
            return
        chosen = await self._choose()
        if not chosen:
            self._waiting = f"no device of {self.run.selection} can be asked now"
            await self._rest(NOBODY_SECONDS)
            return
        await self._round(chosen)
        if self.run.state is CampaignState.RUNNING and self.run.plan.pause:
            self._waiting = "the pause between rounds"
            await self._rest(self.run.plan.pause)

    async def _choose(self) -> dict[str, Learner]:
        """Draw the devices of a round from those that are awake and run the model."""
        sampling = self.run.plan.sampling
        awake = [endpoint for endpoint in self.run.endpoints if self._access.awake(endpoint)]
        if self.run.plan.privacy.noise:
            # The accounting holds for devices drawn one by one, whoever else is drawn.
            drawn = [endpoint for endpoint in awake if self._lottery.random() < sampling.share]
        else:
            count = max(sampling.least, round(sampling.share * len(awake)))
            drawn = self._lottery.sample(awake, min(count, len(awake)))
        places = asyncio.Semaphore(sampling.at_once)
        found = await asyncio.gather(*(self._find(endpoint, places) for endpoint in drawn))
        return {learner.endpoint: learner for learner in found if learner is not None}

    async def _find(self, endpoint: str, places: asyncio.Semaphore) -> Learner | None:
        async with places:
            try:
                learner = await LearningDevice(self._access, self._objects, endpoint).find(self.run)
            except Lwm2mMlError as error:
                self._why_not[endpoint] = error.message
                return None
        self._why_not.pop(endpoint, None)
        return learner

    async def _round(self, chosen: Mapping[str, Learner]) -> None:
        state = await self._records.weights(self.run.weights)
        weights = state[: 4 * self.run.parameters]
        learning = self._learning({endpoint: learner.module_digest for endpoint, learner in chosen.items()})
        self.round = opened = OpenRound(self.run, learning, self._access, self._objects, self._records, weights=weights)
        await opened.ask(chosen)
        await self._close(opened, state)

    def _learning(self, modules: Mapping[str, bytes]) -> "Round":
        """A new round's arithmetic; numpy is loaded when the first one opens."""
        import numpy  # noqa: PLC0415

        from lwm2m_ml.learning.aggregation import Aggregator, NoisyMean, WeightedMean  # noqa: PLC0415
        from lwm2m_ml.learning.round import Round  # noqa: PLC0415

        privacy, count = self.run.plan.privacy, self.run.parameters
        aggregator: Aggregator = WeightedMean(count)
        if privacy.noise:
            expected = self.run.plan.sampling.share * len(self.run.endpoints)
            generator = numpy.random.default_rng()
            aggregator = NoisyMean(count, privacy.clip, privacy.noise, expected, generator)
        return Round(count, privacy.clip, aggregator, modules)

    async def _close(self, opened: OpenRound, state: bytes) -> None:
        """Move the parameters by what came, if enough came; pause when too much went wrong."""
        asked, accepted = len(opened.learning.tokens), len(opened.learning.accepted)
        plan, counted = self.run.plan, accepted > 0 and accepted >= self.run.plan.sampling.quorum * asked
        state, step = self._moved(opened.learning, state) if counted else (state, None)
        weights = await self._records.keep_weights(state) if counted else self.run.weights
        after = dataclasses.replace(
            self.run,
            round=self.run.round + counted,
            void_rounds=0 if counted else self.run.void_rounds + 1,
            weights=weights,
        )
        noisy = plan.privacy.noise > 0
        closed = FederatedRound(
            number=opened.number,
            counted=counted,
            opened_at=opened.opened_at,
            closed_at=time.time(),
            asked=asked,
            accepted=accepted,
            rejected=opened.rejected,
            weights=weights,
            examples=opened.learning.examples,
            loss=None if noisy else opened.learning.loss,
            step_norm=step,
            epsilon=self.epsilon(after.round) if noisy else None,
            bytes_down=int(opened.total(lambda answer: answer.bytes_down)),
            bytes_up=int(opened.total(lambda answer: answer.bytes_up)),
            instructions=int(opened.total(lambda answer: answer.instructions)),
            joules=opened.total(lambda answer: answer.joules),
        )
        async with self._turn:
            after = dataclasses.replace(after, state=self.run.state, reason=self.run.reason, since=self.run.since)
            await self._records.close_round(after, closed)
            self.run = after
        self._bus.publish(FederatedChanged(self.run.id, self.run.state, self.run.round))
        words = f"{accepted} of {asked} devices answered, {opened.rejected} updates were rejected"
        await self._note(SERVICE, f"round {opened.number} {'counts' if counted else 'does not count'}: {words}")
        await self._judge(opened, asked)

    def epsilon(self, rounds: int) -> float | None:
        """Return what so many rounds cost; None without noise."""
        privacy = self.run.plan.privacy
        if not privacy.noise:
            return None
        return epsilon(privacy.noise, self.run.plan.sampling.share, rounds, privacy.delta)

    def _moved(self, learning: "Round", state: bytes) -> tuple[bytes, float]:
        """The parameters and the velocity after a round, and how far the parameters went."""
        import numpy  # noqa: PLC0415

        from lwm2m_ml.learning.aggregation import moved  # noqa: PLC0415
        from lwm2m_ml.learning.vectors import norm  # noqa: PLC0415

        before, velocity = numpy.frombuffer(state, "<f4").reshape(2, -1)
        server = self.run.plan.server
        after, faster = moved(
            before, velocity, learning.aggregator.finish(), rate=server.rate, momentum=server.momentum
        )
        joined: bytes = numpy.concatenate([after, faster]).astype("<f4").tobytes()
        return joined, norm(after - before)

    async def _judge(self, opened: OpenRound, asked: int) -> None:
        """Pause when more devices failed, or more rounds did not count, than the plan lets pass."""
        limits, failures = self.run.plan.limits, opened.failures
        if failures >= limits.least and failures * 100 > limits.errors * asked:
            reason = f"{failures} of {asked} devices failed or were rejected in round {opened.number}"
            await self._happens(CampaignEvent.DOUBTED, reason)
        elif self.run.void_rounds >= limits.void_rounds:
            await self._happens(
                CampaignEvent.DOUBTED, f"{self.run.void_rounds} rounds one after the other did not count"
            )

    async def _adopt(self) -> None:
        """Let every device that can be reached infer with what was learnt."""
        if not self.run.plan.adopt:
            return
        self._waiting = "devices are told to infer with what was learnt"
        weights = (await self._records.weights(self.run.weights))[: 4 * self.run.parameters]
        places = asyncio.Semaphore(self.run.plan.sampling.at_once)
        told = await asyncio.gather(*(self._tell(endpoint, weights, places) for endpoint in self.run.endpoints))
        await self._note(SERVICE, f"{sum(told)} of {len(told)} devices infer with what was learnt")

    async def _tell(self, endpoint: str, weights: bytes, places: asyncio.Semaphore) -> bool:
        async with places:
            device = LearningDevice(self._access, self._objects, endpoint)
            try:
                async with asyncio.timeout(self.run.plan.sampling.seconds):
                    if not self._access.awake(endpoint):
                        return await self._not_told(endpoint, "it is away or asleep")
                    await device.adopt(await device.find(self.run), weights, self.run.plan.sampling.seconds)
            except (Lwm2mMlError, TimeoutError) as error:
                return await self._not_told(endpoint, str(error) or "it took too long")
        answer = Answer(endpoint, Outcome.ADOPTED, at=time.time())
        await self._records.answer(self.run.id, self.run.round, answer)
        return True

    async def _not_told(self, endpoint: str, why: str) -> bool:
        await self._note(SERVICE, f"{endpoint} does not infer with what was learnt: {why}")
        return False

    async def _paused(self) -> None:
        left = self.run.since + self.run.plan.limits.paused - time.time()
        if left <= 0:
            await self._happens(CampaignEvent.OVERDUE)
            return
        await self._rest(left)

    async def _rest(self, seconds: float) -> None:
        """Wait, unless a command comes."""
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def _happens(self, event: CampaignEvent, reason: str = "") -> None:
        async with self._turn:
            if (self.run.state, event) in TABLE:
                await self._take(event, SERVICE, reason)

    async def _take(self, event: CampaignEvent, who: str, reason: str) -> None:
        """Make a step: on disk first, then told."""
        state = TABLE[self.run.state, event]
        void = 0 if event is CampaignEvent.RESUME else self.run.void_rounds
        after = dataclasses.replace(self.run, state=state, reason=reason, since=time.time(), void_rounds=void)
        await self._records.put(after)
        self.run = after
        await self._note(who, f"{_WORDS.get(event, event)}: the run is {state}" + (f"; {reason}" if reason else ""))
        self._bus.publish(FederatedChanged(self.run.id, self.run.state, self.run.round))

    async def _note(self, who: str, text: str) -> None:
        await self._records.note(self.run.id, FederatedNote(time.time(), who, text))


def initial_state(parameters: bytes, *, zeros: bool) -> bytes:
    """What a run's server begins with: parameters, and a velocity of nothing."""
    return (bytes(len(parameters)) if zeros else parameters) + bytes(len(parameters))
