"""The tables of states: every state has an end and a deadline, whatever happens in whatever order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.campaigns.campaign import CampaignDevice, Roll, with_state
from lwm2m_ml.service.campaigns.states import (
    NEXT_STATES,
    TABLE,
    UNFINISHED_ACTIONS,
    CampaignEvent,
    CampaignState,
    DeviceState,
    step,
)

OPEN = [state for state in CampaignState if not state.final]


def reachable(state: CampaignState) -> set[CampaignState]:
    found, new = {state}, {state}
    while new:
        new = {after for (before, _), (after, _) in TABLE.items() if before in new} - found
        found |= new
    return found


@pytest.mark.parametrize("state", OPEN)
def test_every_open_state_has_a_deadline_and_a_way_to_an_end(state: CampaignState) -> None:
    assert (state, CampaignEvent.OVERDUE) in TABLE
    assert any(after.final for after in reachable(state))


@pytest.mark.parametrize("state", OPEN)
def test_an_operator_can_roll_every_open_campaign_back(state: CampaignState) -> None:
    assert (state, CampaignEvent.ROLL_BACK) in TABLE or state is CampaignState.ROLLING_BACK


@pytest.mark.parametrize("state", [CampaignState.RUNNING, CampaignState.SOAKING, CampaignState.AWAITING_APPROVAL])
def test_an_operator_can_pause_and_cancel_what_goes_forward(state: CampaignState) -> None:
    for event in (CampaignEvent.PAUSE, CampaignEvent.CANCEL, CampaignEvent.CANCEL_HARD):
        assert step(state, event) is not None


def test_nothing_happens_to_a_campaign_that_is_over() -> None:
    assert not [before for before, _ in TABLE if before.final]


def test_what_only_follows_from_a_state_is_done_again_after_a_crash() -> None:
    for after, action in TABLE.values():
        if after in UNFINISHED_ACTIONS and action.name in {"WITHDRAW", "ABORT", "TAKE_BACK"}:
            assert UNFINISHED_ACTIONS[after] is action


@given(st.lists(st.sampled_from(list(CampaignEvent)), max_size=60))
def test_a_campaign_ends_once_and_stays_so_whatever_happens(events: list[CampaignEvent]) -> None:
    state = CampaignState.RUNNING
    for event in events:
        found = step(state, event)
        if state.final:
            assert found is None
        if found is not None:
            state = found[0]
    for event in (CampaignEvent.CANCEL, CampaignEvent.SETTLED):
        found = step(state, event)
        state = found[0] if found is not None else state
    assert state.final


def test_every_device_state_that_is_not_final_can_fail() -> None:
    for state in DeviceState:
        assert state.final or DeviceState.FAILED in NEXT_STATES[state]


def test_only_an_active_device_leaves_its_end_again() -> None:
    assert [state for state in DeviceState if state.final and NEXT_STATES[state]] == [DeviceState.ACTIVE]


@given(st.lists(st.sampled_from(list(DeviceState)), max_size=30))
def test_only_steps_of_the_table_are_taken_and_counted(states: list[DeviceState]) -> None:
    roll = Roll([CampaignDevice("a"), CampaignDevice("b", phase=1)])
    for state in states:
        before = roll.rows["a"]
        if state is before.state or state in NEXT_STATES[before.state]:
            roll.put(with_state(before, state, 1.0))
        else:
            with pytest.raises(ValueError, match="cannot go from"):
                roll.put(with_state(before, state, 1.0))
        assert roll.count(roll.rows["a"].state, up_to=0) == 1
        assert roll.total() == sum(roll.tally().values()) == 2
    assert roll.rows["b"] == CampaignDevice("b", phase=1)
