"""The input that a device captured last, where ML Inference Result links to it (42771/x/12 and object 19)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.resources import BINARY_APP_DATA_OBJECT, BinaryAppDataResource, ResultResource

_RESULT = re.compile(r"\bresult (\d{1,18})\b(?: of series (\d{1,18})\b)?")


@dataclass(frozen=True, slots=True)
class CapturedInput:
    """What an instance of object 19 holds: the integers of the tensor, when, and of which result."""

    data: bytes
    created: Value | None
    description: str

    @property
    def result_number(self) -> int | None:
        """The number of the result that the input led to, where the description tells it as `result 17`."""
        found = _RESULT.search(self.description)
        return int(found[1]) if found else None

    @property
    def series(self) -> int:
        """The series of that number, where the description tells it as `result 17 of series 3`; else 0."""
        found = _RESULT.search(self.description)
        return int(found[2] or 0) if found else 0


async def read_captured_input(access: DeviceAccess, endpoint: str, result: ObjectPath) -> CapturedInput | None:
    """Read what the instance `result` of ML Inference Result links to; None before anything was captured."""
    try:
        records = await access.read(endpoint, result.child(ResultResource.CAPTURED_INPUT))
        link = records[0].value if records else None
        if not isinstance(link, ObjectLink) or link.object_id != BINARY_APP_DATA_OBJECT:
            return None
        return _captured(await access.read(endpoint, ObjectPath(link.object_id, link.instance_id)))
    except DeviceError:
        return None


def _captured(records: Sequence[Record]) -> CapturedInput | None:
    values = {record.path.resource_id: record.value for record in records}
    data = values.get(BinaryAppDataResource.DATA)
    if not isinstance(data, bytes):
        return None
    description = values.get(BinaryAppDataResource.DATA_DESCRIPTION)
    created = values.get(BinaryAppDataResource.DATA_CREATION_TIME)
    return CapturedInput(data, created, description if isinstance(description, str) else "")
