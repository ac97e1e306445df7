import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.firmware_update import (
    EXECUTABLE,
    RESULTS,
    TRANSITIONS,
    WRITABLE,
    Event,
    FirmwareStateError,
    Resource,
    State,
    UpdateResult,
    next_state,
    reachable,
)


def walk(*events: Event) -> State:
    state = State.IDLE
    for event in events:
        state = next_state(state, event)
    return state


@pytest.mark.parametrize("begin", [Event.PUSH_BEGINS, Event.URI_WRITTEN])
def test_the_full_cycle_by_push_and_by_pull(begin: Event) -> None:
    assert walk(begin) is State.DOWNLOADING
    assert walk(begin, Event.DOWNLOAD_COMPLETES) is State.DOWNLOADED
    assert walk(begin, Event.DOWNLOAD_COMPLETES, Event.UPDATE_EXECUTED) is State.UPDATING
    assert walk(begin, Event.DOWNLOAD_COMPLETES, Event.UPDATE_EXECUTED, Event.UPDATE_SUCCEEDS) is State.IDLE


@pytest.mark.parametrize(
    ("events", "state", "result"),
    [
        ((Event.URI_WRITTEN, Event.DOWNLOAD_COMPLETES, Event.UPDATE_DEFERRED), State.DOWNLOADED, UpdateResult.DEFERRED),
        ((Event.URI_WRITTEN, Event.CANCELLED), State.IDLE, UpdateResult.CANCELLED),
        ((Event.URI_WRITTEN, Event.DOWNLOAD_COMPLETES, Event.CANCELLED), State.IDLE, UpdateResult.CANCELLED),
        ((Event.URI_WRITTEN, Event.DOWNLOAD_COMPLETES, Event.RESET), State.IDLE, UpdateResult.INITIAL),
        ((Event.RESET,), State.IDLE, UpdateResult.INITIAL),
    ],
)
def test_detours(events: tuple[Event, ...], state: State, result: UpdateResult) -> None:
    assert walk(*events) is state
    assert RESULTS[events[-1]] is result


def test_a_failed_update_either_keeps_the_package_or_not() -> None:
    assert next_state(State.UPDATING, Event.UPDATE_FAILS) is State.IDLE
    assert next_state(State.UPDATING, Event.UPDATE_FAILS_RETRYABLY) is State.DOWNLOADED


def test_update_and_cancel_are_executable_where_the_machine_allows_them() -> None:
    for resource, event in ((Resource.UPDATE, Event.UPDATE_EXECUTED), (Resource.CANCEL, Event.CANCELLED)):
        assert EXECUTABLE[resource] == {state for state, on in TRANSITIONS if on is event}
    with pytest.raises(FirmwareStateError, match="UPDATING"):
        next_state(State.UPDATING, Event.CANCELLED)


def test_a_second_address_is_refused_while_a_package_is_there() -> None:
    assert WRITABLE[Resource.PACKAGE_URI] == {State.IDLE}
    assert (State.DOWNLOADED, Event.URI_WRITTEN) not in TRANSITIONS


def test_every_state_and_every_event_is_used() -> None:
    assert {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values()) == set(State)
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert reachable(State.UPDATING) == {State.IDLE, State.DOWNLOADED}


def test_the_resources_are_those_of_the_definition(catalogue: Catalogue) -> None:
    definition = catalogue.get(5, "1.2")
    assert definition is not None
    assert set(definition.resources) == set(Resource)
