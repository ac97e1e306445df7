import itertools

import pytest

from lwm2m_ml.lwm2m.software_management import (
    ACTIVATION_TRANSITIONS,
    EXECUTABLE,
    RESULTS,
    TRANSITIONS,
    ActivationEvent,
    ActivationState,
    Event,
    Resource,
    SoftwareStateError,
    UpdateResult,
    UpdateState,
    next_activation,
    next_state,
    reachable,
)


def walk(*events: Event) -> UpdateState:
    state = UpdateState.INITIAL
    for event in events:
        state = next_state(state, event)
    return state


def test_the_full_cycle() -> None:
    delivered = (Event.DOWNLOAD_BEGINS, Event.DOWNLOAD_COMPLETES, Event.PACKAGE_ACCEPTED)
    assert walk(*delivered) is UpdateState.DELIVERED
    assert walk(*delivered, Event.INSTALL_SUCCEEDS) is UpdateState.INSTALLED
    assert walk(*delivered, Event.INSTALL_SUCCEEDS, Event.UNINSTALL_SUCCEEDS) is UpdateState.INITIAL
    assert walk(*delivered, Event.INSTALL_SUCCEEDS, Event.UNINSTALL_FOR_UPDATE) is UpdateState.INITIAL


def test_a_failed_installation_stays_delivered() -> None:
    delivered = (Event.DOWNLOAD_BEGINS, Event.DOWNLOAD_COMPLETES, Event.PACKAGE_ACCEPTED)
    assert walk(*delivered, Event.INSTALL_FAILS) is UpdateState.DELIVERED
    assert RESULTS[Event.INSTALL_FAILS] is UpdateResult.INSTALLATION_FAILED


@pytest.mark.parametrize("event", [Event.DOWNLOAD_FAILS, Event.PACKAGE_REFUSED])
def test_a_failed_download_begins_again(event: Event) -> None:
    assert walk(Event.DOWNLOAD_BEGINS, event) is UpdateState.INITIAL


def test_install_is_refused_outside_delivered() -> None:
    for state in UpdateState:
        allowed = state in EXECUTABLE[Resource.INSTALL]
        assert allowed == ((state, Event.INSTALL_SUCCEEDS) in TRANSITIONS)
        if not allowed:
            with pytest.raises(SoftwareStateError, match=state.name):
                next_state(state, Event.INSTALL_SUCCEEDS)


def test_every_state_and_every_event_is_used() -> None:
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(UpdateState)
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_every_state_can_be_left_towards_the_beginning() -> None:
    for state in UpdateState:
        found = {state}
        while new := set().union(*(reachable(known) for known in found)) - found:
            found |= new
        assert UpdateState.INITIAL in found


def test_activation_accepts_every_event_in_every_state() -> None:
    assert set(ACTIVATION_TRANSITIONS) == set(itertools.product(ActivationState, ActivationEvent))
    assert next_activation(ActivationState.INACTIVE, ActivationEvent.ACTIVATED) is ActivationState.ACTIVE
    assert next_activation(ActivationState.ACTIVE, ActivationEvent.REMOVED) is ActivationState.INACTIVE


def test_results_from_fifty_on_are_errors() -> None:
    assert {result for result in UpdateResult if result.failed} == {50, 51, 52, 53, 54, 56, 57, 58, 59}
