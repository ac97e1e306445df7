"""Both tables of delivery, under events in any order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.service.delivery import firmware_update, model_configuration, software_management
from lwm2m_ml.service.delivery.machine import Action, Event, Phase, Table, step

TABLES = [software_management.TABLE, firmware_update.TABLE, model_configuration.TABLE]
NEEDS = {
    Action.INSTALL: {Event.READY, Event.STUCK},
    Action.ACTIVATE: {Event.INSTALLED, Event.STUCK},
    Action.FINISH: {Event.RUNNING},
}

tables = st.sampled_from(TABLES)
events = st.lists(st.sampled_from(list(Event)), max_size=60)


@given(tables, events)
def test_nothing_is_done_that_the_device_has_not_asked_for(table: Table, happening: list[Event]) -> None:
    phase = Phase.RESUMING
    for event in happening:
        phase, action = step(table, phase, event)
        assert event in NEEDS.get(action, set(Event))


@given(tables, events)
def test_an_install_is_repeated_only_after_nothing_changed_for_long(table: Table, happening: list[Event]) -> None:
    phase, installing = Phase.RESUMING, False
    for event in happening:
        phase, action = step(table, phase, event)
        if action is Action.INSTALL:
            assert not installing or event is Event.STUCK
        installing = phase is Phase.INSTALLING


@given(tables, events)
def test_done_means_running_and_final_phases_never_change(table: Table, happening: list[Event]) -> None:
    phase = Phase.RESUMING
    for event in happening:
        before = phase
        phase, action = step(table, phase, event)
        if before.final:
            assert (phase, action) == (before, Action.WAIT)
        elif phase is Phase.DONE:
            assert (event, action) == (Event.RUNNING, Action.FINISH)


@given(tables, events)
def test_a_reboot_at_any_moment_leads_back_to_the_devices_own_state(table: Table, happening: list[Event]) -> None:
    phase = Phase.RESUMING
    for event in happening:
        phase, _ = step(table, phase, event)
        assert phase.final or (phase, Event.REBOOTED) in table
    rebooted, action = step(table, phase, Event.REBOOTED)
    assert action is Action.WAIT
    assert rebooted is (phase if phase.final else Phase.RESUMING)


@pytest.mark.parametrize("table", TABLES)
def test_every_phase_that_can_be_reached_can_end(table: Table) -> None:
    ways: dict[Phase, set[Phase]] = {}
    for (phase, _event), (following, _action) in table.items():
        ways.setdefault(phase, set()).add(following)
    for phase in ways:
        reached, todo = set[Phase](), [phase]
        while todo:
            one = todo.pop()
            if one not in reached:
                reached.add(one)
                todo.extend(ways.get(one, ()))
        assert {Phase.DONE, Phase.FAILED} <= reached


@pytest.mark.parametrize("table", TABLES)
def test_a_running_module_ends_every_delivery(table: Table) -> None:
    for phase in {phase for phase, _ in table} - {Phase.CLEARING}:
        assert step(table, phase, Event.RUNNING) == (Phase.DONE, Action.FINISH)
