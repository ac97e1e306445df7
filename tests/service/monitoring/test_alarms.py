"""Alarms: one per subject while it lasts, durable, told on the bus."""

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.monitoring.alarms import DRIFT, AlarmChanged, Alarms, Subject
from lwm2m_ml.store import Store

SUBJECT = Subject(DRIFT, "device", "digits", "1.0.0", "input")
FLEET = Subject(DRIFT, "", "digits", "1.0.0", "input")


async def test_a_subject_has_one_open_alarm(alarms: Alarms) -> None:
    first = await alarms.raise_alarm(SUBJECT, "it drifted", {"samples": 40})
    assert await alarms.raise_alarm(SUBJECT, "it drifted more", {}) == first
    await alarms.raise_alarm(FLEET, "all drifted", {})
    assert [alarm.message for alarm in alarms.open()] == ["it drifted", "all drifted"]


async def test_what_is_over_is_kept_and_can_come_again(alarms: Alarms, store: Store) -> None:
    first = await alarms.raise_alarm(SUBJECT, "it drifted", {})
    await alarms.clear(SUBJECT)
    await alarms.clear(SUBJECT)
    second = await alarms.raise_alarm(SUBJECT, "again", {})
    assert {alarm.id for alarm in await alarms.newest(10)} == {first.id, second.id}
    assert (await alarms.get(first.id)).cleared_at is not None
    assert [alarm.id for alarm in await store.alarms.open()] == [second.id]


async def test_open_alarms_are_known_after_a_restart(alarms: Alarms, store: Store, bus: Bus) -> None:
    first = await alarms.raise_alarm(SUBJECT, "it drifted", {"samples": 40})
    again = Alarms(store.alarms, bus)
    await again.start()
    assert again.open() == (first,)
    assert await again.raise_alarm(SUBJECT, "it drifted", {}) == first


async def test_the_first_who_saw_an_alarm_stays(alarms: Alarms) -> None:
    raised = await alarms.raise_alarm(SUBJECT, "it drifted", {})
    assert (await alarms.acknowledge(raised.id, "anna")).acknowledged_by == "anna"
    assert (await alarms.acknowledge(raised.id, "ben")).acknowledged_by == "anna"
    assert alarms.open()[0].acknowledged_by == "anna"
    with pytest.raises(NotFoundError, match="no alarm 'other'"):
        await alarms.acknowledge("other", "anna")


async def test_changes_are_told_on_the_bus(alarms: Alarms, bus: Bus) -> None:
    told: list[str] = []

    async def tell(event: AlarmChanged) -> None:
        told.append("over" if event.alarm.cleared_at else "open")

    bus.subscribe(AlarmChanged, tell)
    await alarms.raise_alarm(SUBJECT, "it drifted", {})
    await alarms.clear(SUBJECT)
    await bus.drain()
    assert told == ["open", "over"]


async def test_alarms_of_what_a_device_ran_before_end(alarms: Alarms) -> None:
    await alarms.raise_alarm(SUBJECT, "it drifted", {})
    await alarms.raise_alarm(FLEET, "all drifted", {})
    await alarms.clear_others("device", {("digits", "1.0.0"), ("motion", "2.0.0")})
    assert len(alarms.open()) == 2
    await alarms.clear_others("device", {("digits", "1.1.0")})
    assert [alarm.endpoint for alarm in alarms.open()] == [""]


async def test_alarms_of_a_fleet_end_when_nobody_runs_the_version_any_more(alarms: Alarms) -> None:
    await alarms.raise_alarm(FLEET, "all drifted", {})
    await alarms.raise_alarm(SUBJECT, "it drifted", {})
    await alarms.clear_unless(lambda model, version: (model, version) == ("digits", "1.0.0"))
    assert len(alarms.open()) == 2
    await alarms.clear_unless(lambda model, version: False)
    assert [alarm.endpoint for alarm in alarms.open()] == ["device"]
