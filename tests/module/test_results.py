"""The state machine of a module slot, as the specification of the ML objects has it."""

import itertools

import pytest

from lwm2m_ml.errors import ConflictError
from lwm2m_ml.module.results import TRANSITIONS, ModuleResult, ModuleState, SlotEvent, next_state


def test_states_and_results_have_the_numbers_of_object_42770() -> None:
    assert [state.value for state in ModuleState] == list(range(6))
    assert [result.value for result in ModuleResult] == list(range(19))
    assert ModuleResult(2) is ModuleResult.SIGNATURE_INVALID
    assert ModuleResult(18) is ModuleResult.ROLLED_BACK_BY_SERVER


def test_a_module_goes_from_staged_over_trial_to_active() -> None:
    state = ModuleState.EMPTY
    for event in (SlotEvent.STAGED, SlotEvent.ACTIVATED, SlotEvent.CONFIRMED):
        state = next_state(state, event)
    assert state is ModuleState.ACTIVE


def test_a_module_that_was_superseded_runs_again_when_its_successor_fails() -> None:
    standby = next_state(ModuleState.ACTIVE, SlotEvent.SUPERSEDED)
    assert next_state(ModuleState.TRIAL, SlotEvent.FAILED) is ModuleState.FAILED
    assert next_state(standby, SlotEvent.RESTORED) is ModuleState.ACTIVE


@pytest.mark.parametrize("state", [ModuleState.TRIAL, ModuleState.ACTIVE])
@pytest.mark.parametrize("event", [SlotEvent.STAGED, SlotEvent.ERASED, SlotEvent.REJECTED])
def test_a_running_module_is_never_overwritten(state: ModuleState, event: SlotEvent) -> None:
    with pytest.raises(ConflictError):
        next_state(state, event)


def test_every_step_that_is_not_in_the_table_is_refused() -> None:
    for state, event in itertools.product(ModuleState, SlotEvent):
        if (state, event) not in TRANSITIONS:
            with pytest.raises(ConflictError, match=state.name.lower()):
                next_state(state, event)


def test_only_a_staged_or_standing_by_module_can_be_activated() -> None:
    origins = {state for state, event in TRANSITIONS if event is SlotEvent.ACTIVATED}
    assert origins == {ModuleState.STAGED, ModuleState.STANDBY}
