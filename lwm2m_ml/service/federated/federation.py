"""All federated runs: created, commanded, resumed after a restart of the server, and where sent updates go."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from lwm2m_ml.bus import Bus, Ownership
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.server.events import DataSent, Notified
from lwm2m_ml.service.campaigns.runner import SERVICE
from lwm2m_ml.service.campaigns.states import CampaignEvent
from lwm2m_ml.service.driven import Driven
from lwm2m_ml.service.federated.device import LearningAccess, LearningObjects
from lwm2m_ml.service.federated.plan import FederatedPlan, InvalidFederatedPlan, Start
from lwm2m_ml.service.federated.records import FederatedRecords
from lwm2m_ml.service.federated.run import Answer, FederatedNote, FederatedRound, FederatedRun
from lwm2m_ml.service.federated.runner import FederatedRunner, initial_state
from lwm2m_ml.service.groups.selections import Selection
from lwm2m_ml.service.resources import LearningResource
from lwm2m_ml.service.zoo.model import Model, Variant
from lwm2m_ml.store.fence import CAMPAIGNS

BEGIN, COMMAND = "federated.begin", "federated.command"
NOT_ASKED = "it was not asked for an update"
MAXIMUM_NAMED = 1_000
"""Unasked updates that are named for each run; more of them are dropped with a word in the log."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FederatedOverview:
    """A run as a list shows it, with its last round and what it waits for."""

    run: FederatedRun
    last: FederatedRound | None
    diagnosis: str
    epsilon: float | None = None


class Heads(Protocol):
    """Who reads models; the service's `Builder`."""

    async def head_parameters(self, model: Model, variant: Variant) -> bytes:
        """Return what the trainable layers of a variant begin with, float32."""


class Federation:
    """Runs side by side."""

    def __init__(
        self,
        access: LearningAccess,
        objects: LearningObjects,
        records: FederatedRecords,
        builder: Heads,
        *,
        bus: Bus,
        ownership: Ownership,
    ) -> None:
        """Runs are driven by whoever owns campaigns; they are created and commanded anywhere."""
        self._access = access
        self._objects = objects
        self._records = records
        self._builder = builder
        self._bus = bus
        self._driven: Driven[FederatedRunner] = Driven(
            "federated run", bus, ownership, resume=self._resume, over=self._forget
        )
        self._named: dict[str, int] = {}

    async def start(self) -> None:
        """Go on with every run that is not over."""
        self._bus.serve(BEGIN, self._begin_for_another)
        self._bus.serve(COMMAND, self._command_for_another)
        await self._driven.start()

    async def stop(self) -> None:
        """Stop all work; what is not over goes on at the next start."""
        await self._driven.stop()

    async def _resume(self) -> None:
        for run in await self._records.all():
            if not run.finished and self._driven.get(run.id) is None:
                log.info("federated run resumed", run=run.id, model=run.model, round=run.round)
                self._start(run)

    def _forget(self, run_id: str) -> None:
        self._named.pop(run_id, None)

    async def _begin_for_another(self, asked: Document) -> Document:
        run = await self._records.get(asked["id"])
        if run is not None and not run.finished:
            self._start(run)
        return {}

    async def _command_for_another(self, asked: Document) -> Document:
        await self.command(asked["id"], CampaignEvent(asked["event"]), asked["who"], asked["reason"])
        return {}

    async def create(
        self, model: Model, selection: Selection, plan: FederatedPlan, *, name: str = "", who: str = SERVICE
    ) -> FederatedOverview:
        """Store a new run and begin it; raises `InvalidInputError` for a model whose layers cannot be trained."""
        variant = self._variant(model, plan)
        head = await self._builder.head_parameters(model, variant)
        weights = await self._records.keep_weights(initial_state(head, zeros=plan.start is Start.ZEROS))
        now = time.time()
        run = FederatedRun(
            id=secrets.token_hex(6),
            model=model.name,
            version=model.version,
            variant=variant.name,
            plan=plan,
            parameters=len(head) // 4,
            weights=weights,
            name=name,
            selection=selection.text,
            endpoints=tuple(dict.fromkeys(selection.endpoints)),
            created_at=now,
            created_by=who,
            since=now,
        )
        await self._records.put(run)
        text = f"started: {model.name} {model.version}, {plan.rounds} rounds for {len(run.endpoints)} devices"
        await self._records.note(run.id, FederatedNote(now, who, text))
        if self._driven.here:
            self._start(run)
        else:
            await self._bus.ask(CAMPAIGNS, BEGIN, {"id": run.id})
        return await self.overview(run.id)

    async def overview(self, run_id: str) -> FederatedOverview:
        """Return a run as it stands; raises `NotFoundError`."""
        runner = self._driven.get(run_id)
        run = await self._records.get(run_id) if runner is None else runner.run
        if run is None:
            raise NotFoundError(f"There is no federated run {run_id[:64]!r}")
        rounds = await self._records.rounds(run_id, after=max(0, run.round - 1))
        last = rounds[-1] if rounds else None
        diagnosis = run.reason if runner is None else runner.explain()
        return FederatedOverview(run, last, diagnosis, None if last is None else last.epsilon)

    async def all(self) -> tuple[FederatedOverview, ...]:
        """Return every run, oldest first."""
        return tuple([await self.overview(run.id) for run in await self._records.all()])

    async def rounds(self, run_id: str, *, after: int = 0) -> tuple[FederatedRound, ...]:
        """Return the rounds of a run that are over."""
        await self.overview(run_id)
        return await self._records.rounds(run_id, after=after)

    async def answers(self, run_id: str, number: int) -> tuple[Answer, ...]:
        """Return what became of the devices of a round."""
        await self.overview(run_id)
        return await self._records.answers(run_id, number)

    async def story(self, run_id: str, *, after: int = 0) -> tuple[FederatedNote, ...]:
        """Return what happened to a run, line by line, from after a line's number on."""
        await self.overview(run_id)
        return await self._records.notes(run_id, after=after)

    async def weights(self, run_id: str, number: int | None = None) -> bytes:
        """Return the parameters after a round, float32, the newest ones by default; raises `NotFoundError`."""
        run = (await self.overview(run_id)).run
        digest = run.weights
        if number is not None:
            found = {one.number: one.weights for one in await self._records.rounds(run_id) if one.counted}
            if number not in found:
                raise NotFoundError(f"Run {run_id} has no round {number} that counted")
            digest = found[number]
        return (await self._records.weights(digest))[: 4 * run.parameters]

    async def command(self, run_id: str, event: CampaignEvent, who: str, reason: str = "") -> FederatedOverview:
        """Do what an operator wants; raises `ConflictError` when the run's state does not allow it."""
        if not self._driven.here:
            asked = {"id": run_id, "event": str(event), "who": who, "reason": reason}
            await self._bus.ask(CAMPAIGNS, COMMAND, asked)
            return await self.overview(run_id)
        runner = self._driven.get(run_id)
        if runner is None:
            found = await self.overview(run_id)
            raise ConflictError(f"Run {run_id} is over: it is {found.run.state}")
        await runner.command(event, who, reason)
        return await self.overview(run_id)

    def why_not(self, run_id: str) -> Mapping[str, str]:
        """The devices that did not take part when they were last looked at, and why."""
        runner = self._driven.get(run_id)
        return {} if runner is None else runner.why_not()

    def users(self, model: str, version: str) -> tuple[str, ...]:
        """Return the runs that are not over of a version of a model."""
        return tuple(
            runner.run.id for runner in self._driven.all() if (runner.run.model, runner.run.version) == (model, version)
        )

    def keep(self, event: DataSent | Notified) -> None:
        """Take updates out of what devices send of their own accord; nothing of them is kept as a value."""
        for record in event.records:
            path = record.path
            if (path.object_id, path.resource_id) != (self._objects.learning, LearningResource.UPDATE):
                continue
            if isinstance(record.value, bytes) and self._driven.all():
                self._driven.spawn(self._sent(event.endpoint, record.value), name="sent update")

    async def _sent(self, endpoint: str, content: bytes) -> None:
        for runner in self._driven.all():
            if await runner.offer(endpoint, content):
                return
        for runner in self._driven.all()[:1]:
            named = self._named[runner.run.id] = self._named.get(runner.run.id, 0) + 1
            if named > MAXIMUM_NAMED:
                log.warning("unasked update dropped", endpoint=endpoint, run=runner.run.id)
                return
            await runner.refuse(endpoint, NOT_ASKED)

    def _variant(self, model: Model, plan: FederatedPlan) -> Variant:
        if plan.variant:
            return model.variant(plan.variant)
        if len(model.variants) > 1:
            names = ", ".join(variant.name for variant in model.variants)
            raise InvalidFederatedPlan(
                f"{model.name} {model.version} has several variants, which cannot learn together",
                hint=f"Name one in the plan: variant is one of {names}",
            )
        return model.variants[0]

    def _start(self, run: FederatedRun) -> None:
        self._driven.begin(FederatedRunner(run, self._access, self._objects, self._records, self._bus))
