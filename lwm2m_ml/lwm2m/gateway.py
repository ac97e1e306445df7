"""Devices behind a gateway: object 25 and the prefixes of their paths (OMA-TS-LightweightM2M_Gateway-V1_1_1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.object_list import ObjectList, ObjectListError, parse_object_list
from lwm2m_ml.lwm2m.path import ObjectPath, PathError
from lwm2m_ml.lwm2m.record import Record

OBJECT_ID: Final = 25
DEVICE_ID: Final = 0
PREFIX: Final = 1
DEVICE_OBJECTS: Final = 3

# A prefix must not look like an object id, otherwise paths become ambiguous.
_PREFIX = re.compile(r"(?=.*[A-Za-z_~.-])[0-9A-Za-z_~.-]{1,64}")


class GatewayError(InvalidInputError):
    """A gateway describes its devices in a way that cannot be used."""


@dataclass(frozen=True, slots=True)
class EndDevice:
    """One device behind a gateway, as an instance of object 25 describes it."""

    instance_id: int
    device_id: str
    prefix: str
    object_list: ObjectList = field(default_factory=ObjectList)


def end_devices(records: Iterable[Record], lwm2m_version: str = "1.1") -> tuple[EndDevice, ...]:
    """Return the devices that a Read of /25 describes, by instance."""
    instances: dict[int, dict[int, str]] = {}
    for path, value, _ in records:
        if path.object_id == OBJECT_ID and path.instance_id is not None and path.resource_id is not None:
            instances.setdefault(path.instance_id, {})[path.resource_id] = str(value)
    devices = tuple(_end_device(number, values, lwm2m_version) for number, values in sorted(instances.items()))
    if len({device.prefix for device in devices}) != len(devices):
        raise GatewayError("Two devices behind a gateway have the same prefix", hint="Correct object 25 of the gateway")
    return devices


def _end_device(number: int, values: dict[int, str], lwm2m_version: str) -> EndDevice:
    prefix = values.get(PREFIX, "").strip("/")
    if not _PREFIX.fullmatch(prefix):
        raise GatewayError(
            f"/25/{number}/1 holds the prefix {prefix[:40]!r}",
            hint="A prefix is one path segment of letters and digits that is not a number",
        )
    try:
        listed = parse_object_list(values.get(DEVICE_OBJECTS, "").encode(), lwm2m_version)
    except ObjectListError as error:
        raise GatewayError(f"/25/{number}/3: {error.message}", hint=error.hint) from error
    return EndDevice(number, values.get(DEVICE_ID, prefix), prefix, listed)


def uri_path(path: ObjectPath, prefix: str = "") -> tuple[str, ...]:
    """Return the Uri-Path options for a path, behind the prefix where there is one."""
    numbers = tuple(map(str, path.segments))
    return (prefix, *numbers) if prefix else numbers


def split_uri_path(segments: Sequence[str]) -> tuple[str, ObjectPath]:
    """Return prefix (empty for the gateway itself) and path of the Uri-Path options of a request."""
    prefix, numbers = "", list(segments)
    if numbers and not numbers[0].isdigit():
        prefix, *numbers = numbers
        if not _PREFIX.fullmatch(prefix):
            raise PathError(f"{prefix[:40]!r} is neither a number nor a prefix", hint="See object 25 of the gateway")
    return prefix, ObjectPath.parse("/" + "/".join(numbers))
