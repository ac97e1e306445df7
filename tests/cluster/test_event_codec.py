"""Events arrive at other nodes as they were."""

import json

import pytest

from lwm2m_ml.cluster import event_codec
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.events import (
    DataSent,
    DeviceDeregistered,
    DeviceExcluded,
    DeviceRegistered,
    DeviceUpdated,
    Notified,
    PackageServed,
)
from lwm2m_ml.service.campaigns.campaign import CampaignChanged, CampaignDevice
from lwm2m_ml.service.campaigns.states import CampaignState, DeviceState
from lwm2m_ml.service.jobs import Job, JobChanged
from lwm2m_ml.service.monitoring.alarms import AlarmChanged
from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.drift_watch import ModulesTold, WindowCounted
from lwm2m_ml.store.alarms import AlarmRecord
from lwm2m_ml.store.changes import StoreChanged

RECORDS = (
    Record(ObjectPath(3, 0, 9), 17),
    Record(ObjectPath(3, 0, 0), "ACME"),
    Record(ObjectPath(42771, 0, 1), b"\x00\xff"),
    Record(ObjectPath(3303, 0, 5700), 21.5),
    Record(ObjectPath(3, 0, 12), True),
)


@pytest.mark.parametrize(
    "event",
    [
        DeviceRegistered("urn:dev:1", True),
        DeviceUpdated("urn:dev:1", objects_changed=True),
        DeviceDeregistered("urn:dev:1"),
        DeviceExcluded("urn:dev:1", "its credential was revoked"),
        DataSent("urn:dev:1", RECORDS, 12.5),
        Notified("urn:dev:1", ObjectPath(3, 0, 9), RECORDS[:1], 12.5, prefix="d/1"),
        PackageServed("urn:dev:1", "token", 12_000, 512),
        CampaignChanged("c1", CampaignState.RUNNING),
        CampaignChanged("c1", CampaignState.RUNNING, CampaignDevice("urn:dev:1", state=DeviceState.ACTIVE)),
        StoreChanged(("models",)),
        AlarmChanged(AlarmRecord("a1", "drift", "urn:dev:1", "digits", "1.0.0", "x", "it drifted", {"seen": [0.5]})),
        JobChanged(Job("j1", "compilation", "digits", "me", 12.5, progress=0.25, activity="waiting")),
        ModulesTold("urn:dev:1", {0: "ab" * 32, 2: "cd" * 32}),
        WindowCounted("ab" * 32, Counters(7, {0: 3, 4: 4}, 1, (5, 2))),
    ],
)
def test_an_event_arrives_as_it_was(event: object) -> None:
    assert event_codec.is_for_all(event)
    arrived = event_codec.decode(json.loads(json.dumps(event_codec.encode(event))))
    assert arrived == event
    assert type(arrived) is type(event)


def test_the_result_of_a_job_stays_where_it_can_be_read() -> None:
    told = JobChanged(Job("j1", "compilation", "digits", "me", 12.5, result="x" * 1_000_000))
    document = event_codec.encode(told)
    assert len(json.dumps(document)) < 1_000
    arrived = event_codec.decode(document)
    assert isinstance(arrived, JobChanged)
    assert (arrived.job.id, arrived.job.result) == ("j1", None)


def test_what_is_of_this_process_alone_stays_here() -> None:
    assert not event_codec.is_for_all(object())


def test_an_event_of_another_release_is_refused() -> None:
    with pytest.raises(KeyError):
        event_codec.decode(["OfAnotherRelease", {}])
    with pytest.raises(ValueError, match="endpoint"):
        event_codec.decode(["DeviceUpdated", {}])
