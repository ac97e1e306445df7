"""Trials: the table under any order of events, and a device that is watched through one."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.service.delivery.outcome import Outcome
from lwm2m_ml.service.delivery.trial import (
    Trial,
    TrialAction,
    TrialEvent,
    TrialPhase,
    TrialReading,
    classify,
    step,
)
from tests.service.fake_loader import FakeSlot

DIGEST = hashlib.sha256(b"module").digest()


@given(st.lists(st.sampled_from(list(TrialEvent)), max_size=40))
def test_a_module_is_confirmed_at_most_once_and_only_when_all_was_well(events: list[TrialEvent]) -> None:
    phase, confirmed = TrialPhase.WATCHING, 0
    for event in events:
        before = phase
        phase, action = step(phase, event)
        if action is TrialAction.CONFIRM:
            confirmed += 1
            assert event is TrialEvent.PASSED
        if phase is TrialPhase.ACTIVE and before is not phase:
            assert event is TrialEvent.ACTIVE
        if before.final:
            assert (phase, action) == (before, TrialAction.WAIT)
    assert confirmed <= 1


@given(
    st.builds(
        TrialReading,
        state=st.none() | st.sampled_from(list(ModuleState)),
        result=st.integers(0, 20),
        ours=st.booleans(),
        self_test_score=st.none() | st.floats(0, 100),
        inferences=st.integers(0, 10),
        failures=st.integers(0, 3),
    ),
    st.integers(1, 5),
)
def test_a_trial_is_passed_only_with_a_full_score_and_enough_results(reading: TrialReading, wanted: int) -> None:
    if classify(reading, wanted) is TrialEvent.PASSED:
        assert reading.state is ModuleState.TRIAL
        assert reading.ours
        assert reading.self_test_score in {None, 100.0}
        assert reading.inferences >= wanted
        assert not reading.failures


@pytest.fixture
def device(new_device: Callable[..., Any]) -> Any:
    return new_device(slots=[FakeSlot(0, state=2, digest=DIGEST, score=100.0)])


@pytest.fixture
def watch(session_of: Callable[[Any], Any], device: Any) -> Trial:
    return Trial(session_of(device), ObjectPath(42770, 0), DIGEST)


async def test_a_working_module_is_confirmed(watch: Trial, device: Any) -> None:
    assert await watch.run() == Outcome(True)
    assert device.slots[0].state == ModuleState.ACTIVE
    assert device.slots[0].inferences >= 3


async def test_a_lost_answer_to_confirm_is_not_repeated(watch: Trial, device: Any) -> None:
    device.lost_answers = 1
    assert await watch.run() == Outcome(True)
    assert device.executed == ["/42770/0/13"]


async def test_a_failing_module_is_rolled_back(watch: Trial, device: Any) -> None:
    device.fails_in_trial = True
    outcome = await watch.run()
    assert not outcome.delivered
    assert "failures in trial" in outcome.reason
    assert device.executed == ["/42770/0/14"]


async def test_a_self_test_below_full_score_is_rolled_back(watch: Trial, device: Any) -> None:
    device.slots[0].score = 90.0
    outcome = await watch.run()
    assert "self-test score 90 %" in outcome.reason


async def test_a_module_the_device_took_back_fails_with_the_devices_reason(watch: Trial, device: Any) -> None:
    device.slots[0].state, device.slots[0].result = 5, 17
    outcome = await watch.run()
    assert outcome == Outcome(False, "the device ended the trial: reset during trial (result 17)")


async def test_a_module_that_never_infers_is_rolled_back(watch: Trial, device: Any) -> None:
    device.lazy = True
    outcome = await watch.run()
    assert outcome.reason.startswith("only 0 of 3 results within")
    assert device.slots[0].state == ModuleState.FAILED


async def test_a_device_that_falls_silent_is_given_up(watch: Trial, device: Any) -> None:
    device.off_for = 1_000_000
    outcome = await watch.run()
    assert "during the trial" in outcome.reason
