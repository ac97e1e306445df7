"""The states of a device in a deployment."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.deployment import NEXT_STATES, Deployment, DeploymentDevice, DeviceState

FINAL = {DeviceState.ACTIVE, DeviceState.REFUSED, DeviceState.FAILED}


def test_three_states_are_final() -> None:
    assert {state for state in DeviceState if state.final} == FINAL


def test_every_other_state_can_fail_and_can_end_well() -> None:
    for state in set(DeviceState) - FINAL:
        assert DeviceState.FAILED in NEXT_STATES[state]


@given(st.lists(st.sampled_from(list(DeviceState)), max_size=30))
def test_only_steps_of_the_table_are_taken(states: list[DeviceState]) -> None:
    deployment = Deployment("id", "digits", "1", 0.0, (DeploymentDevice("a"), DeploymentDevice("b")))
    for state in states:
        before = deployment.device("a")
        after = dataclasses.replace(before, state=state)
        if state is before.state or state in NEXT_STATES[before.state]:
            deployment = deployment.with_device(after)
        else:
            with pytest.raises(ValueError, match="cannot go from"):
                deployment.with_device(after)
    assert deployment.device("b") == DeploymentDevice("b")


def test_a_deployment_is_finished_with_its_last_device() -> None:
    one, other = DeploymentDevice("a", state=DeviceState.ACTIVE), DeploymentDevice("b", state=DeviceState.TRIAL)
    assert not Deployment("id", "digits", "1", 0.0, (one, other)).finished
    assert Deployment("id", "digits", "1", 0.0, (one,)).finished
