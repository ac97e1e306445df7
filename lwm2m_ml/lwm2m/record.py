"""One value at one path, at one moment: what every codec decodes to and encodes from."""

from __future__ import annotations

from typing import NamedTuple

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value

RELATIVE_TIME_LIMIT = float(2**28)
"""A smaller timestamp counts from the moment of reception, a larger one from 1970 (RFC 8428 §4.5.3)."""


# A tuple and not a dataclass: a server makes more than a hundred thousand of them each second.
class Record(NamedTuple):
    """One value at one path.

    `value` is None where a payload names a path without giving a value: the paths of a composite Read, an object
    instance without resources, a multiple-instance resource without instances. `timestamp` is None when none is given.
    """

    path: ObjectPath
    value: Value | None
    timestamp: float | None = None

    def absolute_time(self, received_at: float) -> float:
        """Return the Unix time of the value, given when it was received."""
        if self.timestamp is None:
            return received_at
        return received_at + self.timestamp if self.timestamp < RELATIVE_TIME_LIMIT else self.timestamp
