"""Events of the bus as JSON, for other nodes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.events import (
    BootstrapFailed,
    DataSent,
    DeviceBootstrapped,
    DeviceDeregistered,
    DeviceExcluded,
    DeviceExpired,
    DeviceRegistered,
    DeviceUpdated,
    Notified,
    PackageServed,
    RequestEnded,
    RequestQueued,
)
from lwm2m_ml.server.senml_documents import from_senml, to_senml
from lwm2m_ml.service.campaigns.campaign import CampaignChanged
from lwm2m_ml.service.jobs import JobChanged
from lwm2m_ml.service.monitoring.alarms import AlarmChanged
from lwm2m_ml.service.monitoring.drift_watch import ModulesTold, WindowCounted
from lwm2m_ml.service.profile_keeper import DeviceProfiled
from lwm2m_ml.store.changes import StoreChanged

PLAIN: tuple[type, ...] = (
    AlarmChanged,
    BootstrapFailed,
    CampaignChanged,
    DeviceBootstrapped,
    DeviceDeregistered,
    DeviceExcluded,
    DeviceExpired,
    DeviceProfiled,
    DeviceRegistered,
    DeviceUpdated,
    JobChanged,
    ModulesTold,
    PackageServed,
    RequestEnded,
    RequestQueued,
    StoreChanged,
    WindowCounted,
)
"""Events that are made of texts, numbers and the like."""

Writer = Callable[[Any], Any]
Reader = Callable[[Any], object]


def _adapted(kind: type) -> tuple[Writer, Reader]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return lambda event: adapter.dump_python(event, mode="json"), adapter.validate_python


def _write_sent(event: DataSent) -> Any:
    return [event.endpoint, to_senml(event.records), event.received_at]


def _read_sent(data: Any) -> DataSent:
    return DataSent(data[0], from_senml(data[1]), data[2])


def _write_notified(event: Notified) -> Any:
    return [event.endpoint, str(event.path), to_senml(event.records), event.received_at, event.prefix]


def _read_notified(data: Any) -> Notified:
    return Notified(data[0], ObjectPath.parse(data[1]), from_senml(data[2]), data[3], data[4])


def _write_job(event: JobChanged) -> Any:
    """Without its result, which may be large: who wants it reads it from the store."""
    return PLAIN_CODECS[JobChanged.__name__][0](JobChanged(dataclasses.replace(event.job, result=None)))


PLAIN_CODECS: Mapping[str, tuple[Writer, Reader]] = {kind.__name__: _adapted(kind) for kind in PLAIN}
CODECS: Mapping[str, tuple[Writer, Reader]] = {
    **PLAIN_CODECS,
    JobChanged.__name__: (_write_job, PLAIN_CODECS[JobChanged.__name__][1]),
    DataSent.__name__: (_write_sent, _read_sent),
    Notified.__name__: (_write_notified, _read_notified),
}


def is_for_all(event: object) -> bool:
    """Whether other nodes are told of it."""
    return type(event).__name__ in CODECS


def encode(event: object) -> list[Any]:
    """An event that is for all, as JSON."""
    name = type(event).__name__
    return [name, CODECS[name][0](event)]


def decode(document: list[Any]) -> object:
    """The event that `encode` wrote; raises `KeyError` or `ValueError` for what this release does not know."""
    name, data = document
    return CODECS[name][1](data)
