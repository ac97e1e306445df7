"""The trial of a delivered module: watch it work, then confirm it; or learn why the device took it back.

The device starts the trial itself when the module is activated and ends it itself when a limit is passed, when it is
reset or when nobody confirms (ML Model, resources 11 to 19). The server only confirms, after a full self-test score and
the first results without a failure.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.server.errors import DeviceError, OperationError, UnknownDevice
from lwm2m_ml.service.delivery.outcome import Outcome
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.slots import read_slot_status, result_sentence
from lwm2m_ml.service.resources import ModelResource

log = structlog.get_logger(__name__)

FULL_SCORE = 100.0


class TrialPhase(StrEnum):
    """Where a trial stands."""

    WATCHING = "watching"
    CONFIRMING = "confirming"
    ROLLING_BACK = "rolling back"
    ACTIVE = "active"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more happens."""
        return self in {TrialPhase.ACTIVE, TrialPhase.FAILED}


class TrialEvent(StrEnum):
    """What the slot says."""

    WORKING = "in trial, too early to judge"
    PASSED = "in trial, all was well so far"
    MISBEHAVING = "in trial, but failing"
    ACTIVE = "active"
    GONE = "not in trial any more"
    OVERDUE = "in trial for too long"


class TrialAction(StrEnum):
    """What the server does about it."""

    WAIT = "wait"
    CONFIRM = "confirm"
    ROLL_BACK = "roll back"
    FINISH = "finish"
    FAIL = "fail"


TABLE: Mapping[tuple[TrialPhase, TrialEvent], tuple[TrialPhase, TrialAction]] = {
    (TrialPhase.WATCHING, TrialEvent.PASSED): (TrialPhase.CONFIRMING, TrialAction.CONFIRM),
    (TrialPhase.WATCHING, TrialEvent.MISBEHAVING): (TrialPhase.ROLLING_BACK, TrialAction.ROLL_BACK),
    (TrialPhase.WATCHING, TrialEvent.OVERDUE): (TrialPhase.ROLLING_BACK, TrialAction.ROLL_BACK),
    (TrialPhase.WATCHING, TrialEvent.ACTIVE): (TrialPhase.ACTIVE, TrialAction.FINISH),
    (TrialPhase.WATCHING, TrialEvent.GONE): (TrialPhase.FAILED, TrialAction.FAIL),
    (TrialPhase.CONFIRMING, TrialEvent.ACTIVE): (TrialPhase.ACTIVE, TrialAction.FINISH),
    (TrialPhase.CONFIRMING, TrialEvent.GONE): (TrialPhase.FAILED, TrialAction.FAIL),
    (TrialPhase.CONFIRMING, TrialEvent.OVERDUE): (TrialPhase.ROLLING_BACK, TrialAction.ROLL_BACK),
    (TrialPhase.ROLLING_BACK, TrialEvent.GONE): (TrialPhase.FAILED, TrialAction.FAIL),
    (TrialPhase.ROLLING_BACK, TrialEvent.ACTIVE): (TrialPhase.ACTIVE, TrialAction.FINISH),
    (TrialPhase.ROLLING_BACK, TrialEvent.OVERDUE): (TrialPhase.FAILED, TrialAction.FAIL),
}


@dataclass(frozen=True, slots=True)
class TrialReading:
    """What a slot says of its module; no score where a device has no self-test, which precedes its first inference."""

    state: ModuleState | None
    result: int
    ours: bool
    self_test_score: float | None
    inferences: int
    failures: int


def classify(reading: TrialReading, results_wanted: int) -> TrialEvent:
    """Turn what the slot says into an event."""
    if not reading.ours or reading.state not in {ModuleState.TRIAL, ModuleState.ACTIVE}:
        return TrialEvent.GONE
    if reading.state is ModuleState.ACTIVE:
        return TrialEvent.ACTIVE
    if reading.failures > 0 or (reading.self_test_score is not None and reading.self_test_score < FULL_SCORE):
        return TrialEvent.MISBEHAVING
    return TrialEvent.PASSED if reading.inferences >= results_wanted else TrialEvent.WORKING


def step(phase: TrialPhase, event: TrialEvent) -> tuple[TrialPhase, TrialAction]:
    """Return the next phase and what to do; what the table does not name changes nothing."""
    return TABLE.get((phase, event), (phase, TrialAction.WAIT))


class Trial:
    """Watches one slot from activation to confirmation."""

    def __init__(self, session: Session, slot: ObjectPath, digest: bytes) -> None:
        self._access = session.access
        self._watch = session.watch
        self._endpoint = session.endpoint
        self._timing = session.timing
        self._slot = slot
        self._digest = digest
        self._phase = TrialPhase.WATCHING
        self._reason = ""
        self._log = log.bind(endpoint=session.endpoint, slot=str(slot))

    async def run(self) -> Outcome:
        """Watch until the module is active or gone."""
        phase_began = last_answer = time.monotonic()
        while not self._phase.final:
            phase = self._phase
            try:
                reading = await self._read()
                last_answer = time.monotonic()
                overdue = last_answer - phase_began > self._timing.trial
                await self._take(reading, overdue=overdue)
            except (OperationError, UnknownDevice):
                silent = time.monotonic() - last_answer
                if silent > self._timing.silence:
                    return Outcome(False, f"the device has not answered for {silent:.0f} s during the trial")
            if self._phase is not phase:
                phase_began = time.monotonic()
            elif not self._phase.final:
                await self._watch.wait(self._timing.quick_poll)
        return Outcome(self._phase is TrialPhase.ACTIVE, self._reason)

    async def _take(self, reading: TrialReading, *, overdue: bool) -> None:
        event = classify(reading, self._timing.trial_results)
        phase, action = step(self._phase, event)
        if action is TrialAction.WAIT and overdue:
            event = TrialEvent.OVERDUE
            phase, action = step(self._phase, event)
        if action is not TrialAction.WAIT:
            self._log.info("trial", event_seen=str(event), phase=str(phase), action=str(action))
        self._explain(event, reading)
        self._phase = phase
        if action is TrialAction.CONFIRM:
            await self._execute(ModelResource.CONFIRM)
        elif action is TrialAction.ROLL_BACK:
            await self._execute(ModelResource.ROLL_BACK)

    def _explain(self, event: TrialEvent, reading: TrialReading) -> None:
        """Keep the first reason that speaks against the module; the device's own reason wins."""
        if event is TrialEvent.MISBEHAVING:
            score = "unknown" if reading.self_test_score is None else f"{reading.self_test_score:g} %"
            self._reason = f"{reading.failures} failures in trial, self-test score {score}; rolled back"
        elif event is TrialEvent.OVERDUE:
            self._reason = (
                f"only {reading.inferences} of {self._timing.trial_results} results within {self._timing.trial:.0f} s"
                " of trial; rolled back"
            )
        elif event is TrialEvent.GONE and not self._reason:
            self._reason = f"the device ended the trial: {result_sentence(reading.result)}"
        elif event is TrialEvent.ACTIVE:
            self._reason = ""

    async def _read(self) -> TrialReading:
        object_id, instance = self._slot.segments
        status = await read_slot_status(self._access, self._endpoint, object_id, instance)
        score = await self._number(ModelResource.SELF_TEST_SCORE)
        return TrialReading(
            state=status.state,
            result=status.result,
            ours=not status.digest or status.digest == self._digest,
            self_test_score=score,
            inferences=int(await self._number(ModelResource.INFERENCE_COUNT) or 0),
            failures=int(await self._number(ModelResource.FAILURE_COUNT) or 0),
        )

    async def _number(self, resource: ModelResource) -> float | None:
        """Read a number; None where the device has none."""
        try:
            records = await self._access.read(self._endpoint, self._slot.child(resource))
        except DeviceError:
            return None
        value = records[0].value if records else None
        return float(value) if isinstance(value, int | float) else None

    async def _execute(self, resource: ModelResource) -> None:
        """Execute; a refusal or a lost answer shows in the state, which is read again."""
        try:
            await self._access.execute(self._endpoint, self._slot.child(resource))
        except Lwm2mMlError as error:
            self._log.info("not executed for certain", resource=resource.name, reason=error.message)
