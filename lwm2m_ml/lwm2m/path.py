"""Paths of objects, instances, resources and resource instances (OMA-TS-LightweightM2M_Core-V1_2 §7.2)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from lwm2m_ml.errors import InvalidInputError

MAX_ID = 65535
"""Reserved by the specification: means "none" in links and never identifies anything."""

_ID = r"(0|[1-9][0-9]{0,4})"
_PATH = re.compile(rf"/{_ID}(?:/{_ID}(?:/{_ID}(?:/{_ID})?)?)?")


class PathError(InvalidInputError):
    """A text or a set of numbers is not a path."""


@dataclass(frozen=True, slots=True)
class ObjectPath:
    """Where something lives in a client's tree: at most four numbers, the later ones only after the earlier.

    `str(path)` is the absolute form (`/3/0/1`), the root is `/`.
    """

    object_id: int | None = None
    instance_id: int | None = None
    resource_id: int | None = None
    resource_instance_id: int | None = None

    def __post_init__(self) -> None:
        ended = False
        for number in (self.object_id, self.instance_id, self.resource_id, self.resource_instance_id):
            if number is None:
                ended = True
            elif ended or not 0 <= number < MAX_ID:
                raise PathError(
                    f"{self._raw()} is not a path",
                    hint=f"Each level needs the one before it and a number below {MAX_ID}",
                )

    def _raw(self) -> str:
        numbers = (self.object_id, self.instance_id, self.resource_id, self.resource_instance_id)
        return "/" + "/".join("" if number is None else str(number) for number in numbers)

    @classmethod
    def parse(cls, text: str) -> ObjectPath:
        """Read `/3/0/1`; `/` and the empty text are the root, one slash at the end is tolerated."""
        return _parse(text)

    @classmethod
    def of(cls, *segments: int) -> ObjectPath:
        """Return the path of up to four numbers, the root without any."""
        if len(segments) > 4:
            raise PathError(f"{len(segments)} numbers are not a path", hint="A path has at most four levels")
        return cls(*segments)

    @property
    def segments(self) -> tuple[int, ...]:
        """The numbers that are there, from the object down."""
        numbers = (self.object_id, self.instance_id, self.resource_id, self.resource_instance_id)
        return tuple(number for number in numbers if number is not None)

    @property
    def level(self) -> int:
        """0 root, 1 object, 2 object instance, 3 resource, 4 resource instance."""
        if self.object_id is None:
            return 0
        if self.instance_id is None:
            return 1
        if self.resource_id is None:
            return 2
        return 3 if self.resource_instance_id is None else 4

    @property
    def parent(self) -> ObjectPath:
        """The path one level up; the root is its own parent."""
        return ObjectPath(*self.segments[:-1])

    def child(self, number: int) -> ObjectPath:
        """Return the path one level down."""
        return ObjectPath.of(*self.segments, number)

    def ancestor(self, level: int) -> ObjectPath:
        """Return the path cut after `level` numbers (or the path itself where it is shorter)."""
        return ObjectPath(*self.segments[:level])

    def contains(self, other: ObjectPath) -> bool:
        """Tell whether `other` is this path or lies below it."""
        return self.object_id is None or (
            self.object_id == other.object_id
            and (
                self.instance_id is None
                or (
                    self.instance_id == other.instance_id
                    and (
                        self.resource_id is None
                        or (
                            self.resource_id == other.resource_id
                            and self.resource_instance_id in {None, other.resource_instance_id}
                        )
                    )
                )
            )
        )

    def __str__(self) -> str:
        return "/" + "/".join(map(str, self.segments))

    def __lt__(self, other: ObjectPath) -> bool:
        return self.segments < other.segments

    def __le__(self, other: ObjectPath) -> bool:
        return self.segments <= other.segments

    def __gt__(self, other: ObjectPath) -> bool:
        return self.segments > other.segments

    def __ge__(self, other: ObjectPath) -> bool:
        return self.segments >= other.segments


# Notifications name the same few paths again and again: keeping them spares most of the cost of decoding.
@functools.lru_cache(maxsize=65536)
def _parse(text: str) -> ObjectPath:
    if len(text) > 24:
        raise PathError(f"{text[:24]!r}… is not a path", hint="A path has at most four numbers below 65535")
    if text in {"", "/"}:
        return ObjectPath()
    trimmed = text[:-1] if text.endswith("/") else text
    match = _PATH.fullmatch(trimmed)
    if match is None:
        raise PathError(f"{text!r} is not a path", hint="Write it like /3/0/1: up to four numbers, each after a slash")
    return ObjectPath(*(int(number) for number in match.groups() if number is not None))


ROOT = ObjectPath()
"""The root of a client's tree."""
