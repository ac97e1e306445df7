"""The values that resources carry, as Python types (OMA-TS-LightweightM2M_Core-V1_2 Appendix C)."""

from __future__ import annotations

from dataclasses import dataclass

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.path import MAX_ID, ObjectPath


class ValueFormatError(InvalidInputError):
    """A text does not have the form that its resource type prescribes."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectLink:
    """A reference to an object instance (type Objlnk); 65535:65535 links to nothing."""

    object_id: int = MAX_ID
    instance_id: int = MAX_ID

    def __post_init__(self) -> None:
        if not (0 <= self.object_id <= MAX_ID and 0 <= self.instance_id <= MAX_ID):
            raise ValueFormatError(f"{self.object_id}:{self.instance_id} is not an object link", hint=_LINK_HINT)

    @classmethod
    def parse(cls, text: str) -> ObjectLink:
        """Read `10:3`."""
        parts = text.split(":")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
            raise ValueFormatError(f"{text[:40]!r} is not an object link", hint=_LINK_HINT)
        return cls(int(parts[0]), int(parts[1]))

    @property
    def is_null(self) -> bool:
        """Tell whether the link deliberately points at nothing."""
        return self.object_id == MAX_ID and self.instance_id == MAX_ID

    @property
    def path(self) -> ObjectPath:
        """The path of the linked instance, or of the object when only that is named."""
        if self.is_null:
            return ObjectPath()
        return ObjectPath(self.object_id, None if self.instance_id == MAX_ID else self.instance_id)

    def __str__(self) -> str:
        return f"{self.object_id}:{self.instance_id}"


_LINK_HINT = "Write object and instance as two numbers up to 65535 with a colon, like 10:3"

Value = str | int | float | bool | bytes | ObjectLink
"""What a resource can hold. Time is Unix seconds (int or float), a CoRE link is its text."""
