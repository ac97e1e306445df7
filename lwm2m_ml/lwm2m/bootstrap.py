"""What a bootstrap server writes: accounts as objects 0 and 1, request by request or as a pack (Core TS V1_2 §6.1)."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.conformance import Operation, check_records
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value

PACK_FORMATS = frozenset({ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_CBOR})
"""Formats of a Bootstrap-Pack (§6.1.7.8)."""


class BootstrapError(InvalidInputError):
    """A configuration contradicts itself."""


class SecurityMode(enum.IntEnum):
    """How a connection is protected, /0/x/2."""

    PRE_SHARED_KEY = 0
    RAW_PUBLIC_KEY = 1
    CERTIFICATE = 2
    NONE = 3
    ENROLLED_CERTIFICATE = 4


class Step(enum.Enum):
    """What one request of a bootstrap sequence does."""

    DELETE = "Bootstrap-Delete"
    WRITE = "Bootstrap-Write"
    FINISH = "Bootstrap-Finish"


@dataclass(frozen=True, slots=True)
class Account:
    """What a client needs to reach one server: an instance of object 0 and, but for bootstrap, one of object 1."""

    uri: str
    short_server_id: int | None = None
    security_mode: SecurityMode = SecurityMode.NONE
    identity: bytes = b""
    server_key: bytes = b""
    secret: bytes = field(default=b"", repr=False)
    lifetime: int = 86_400
    binding: str = "U"
    store_notifications: bool = True
    mute_send: bool | None = None

    @property
    def for_bootstrap(self) -> bool:
        """Tell whether the account leads to a bootstrap server."""
        return self.short_server_id is None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a client shall have after bootstrap: `deleted` goes first, then accounts and further values are written."""

    accounts: tuple[Account, ...]
    deleted: tuple[ObjectPath, ...] = (ROOT,)
    further: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class BootstrapRequest:
    """One request to a client; `path` and payload mean nothing to Finish."""

    step: Step
    path: ObjectPath = ROOT
    payload: bytes = b""


def configuration_records(configuration: Configuration, catalogue: Catalogue) -> tuple[Record, ...]:
    """Return every value that bootstrap writes, checked against the definitions."""
    numbers = [account.short_server_id for account in configuration.accounts if not account.for_bootstrap]
    if len(set(numbers)) != len(numbers) or not numbers:
        raise BootstrapError("A bootstrap configuration needs servers with different short ids", hint="Number them")
    records: list[Record] = []
    servers = 0
    for index, account in enumerate(configuration.accounts):
        records += _security(index, account)
        if not account.for_bootstrap:
            records += _server(servers, account)
            servers += 1
    return check_records([*records, *configuration.further], Operation.WRITE, catalogue, bootstrap=True)


def _security(instance: int, account: Account) -> list[Record]:
    values: dict[int, Value] = {
        0: account.uri,
        1: account.for_bootstrap,
        2: int(account.security_mode),
        3: account.identity,
        4: account.server_key,
        5: account.secret,
    }
    if account.short_server_id is not None:
        values[10] = account.short_server_id
    return [Record(ObjectPath(0, instance, number), value) for number, value in values.items()]


def _server(instance: int, account: Account) -> list[Record]:
    values: dict[int, Value] = {1: account.lifetime, 6: account.store_notifications, 7: account.binding}
    if account.short_server_id is not None:
        values = {0: account.short_server_id, **values}
    if account.mute_send is not None:
        values[23] = account.mute_send
    return [Record(ObjectPath(1, instance, number), value) for number, value in values.items()]


def bootstrap_requests(
    configuration: Configuration, content_format: int, catalogue: Catalogue
) -> tuple[BootstrapRequest, ...]:
    """Return the requests of a bootstrap, in order: deletions, one Write per object, Finish."""
    records = configuration_records(configuration, catalogue)
    requests = [BootstrapRequest(Step.DELETE, path) for path in configuration.deleted]
    for object_id in sorted({record.path.segments[0] for record in records}):
        path = ObjectPath(object_id)
        payload = encode([record for record in records if path.contains(record.path)], content_format, path, catalogue)
        requests.append(BootstrapRequest(Step.WRITE, path, payload))
    return (*requests, BootstrapRequest(Step.FINISH))


def bootstrap_pack(configuration: Configuration, content_format: int, catalogue: Catalogue) -> bytes:
    """Return the whole configuration as the answer to a Bootstrap-Pack-Request (from version 1.2)."""
    if ContentFormat.of(content_format) not in PACK_FORMATS:
        raise BootstrapError(f"A bootstrap pack cannot be in content format {content_format}", hint="Use 112 or 11544")
    return encode(configuration_records(configuration, catalogue), content_format, ROOT, catalogue)


def short_server_ids(records: Sequence[Record]) -> dict[int, int]:
    """Return the instance of object 1 for each short server id; a server's own is not always instance 0."""
    return {
        value: path.segments[1]
        for path, value, _ in records
        if path.segments[:1] == (1,) and path.resource_id == 0 and isinstance(value, int)
    }
