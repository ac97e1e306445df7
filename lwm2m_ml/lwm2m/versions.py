"""Versions of the protocol and of objects: two numbers (OMA-TS-LightweightM2M_Core-V1_2 §6.2.1, §7.2.2)."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from lwm2m_ml.errors import InvalidInputError

# Some clients send lwm2m=1.0.0: a third number is read and means nothing.
_VERSION = re.compile(r"(\d{1,4})(?:\.(\d{1,4})(?:\.\d{1,4})?)?")


class VersionError(InvalidInputError):
    """A text is not a version."""


class Version(NamedTuple):
    """A major and a minor number."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.1`; a missing minor number is 0, a third number is ignored."""
        return _parsed(text)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@functools.lru_cache(maxsize=1024)  # asked for with every message of a device
def _parsed(text: str) -> Version:
    match = _VERSION.fullmatch(text)
    if match is None:
        raise VersionError(f"{text[:20]!r} is not a version", hint="Write it like 1.1")
    return Version(int(match[1]), int(match[2] or 0))


SUPPORTED_VERSIONS = (Version(1, 0), Version(1, 1), Version(1, 2))
"""The versions of LwM2M spoken here."""

_CORE_OBJECT_VERSIONS = {
    Version(1, 1): {0: "1.1", 1: "1.1", 3: "1.1", 4: "1.2"},
    Version(1, 2): {0: "1.2", 1: "1.2", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.1", 21: "2.0"},
}


def default_object_version(object_id: int, lwm2m_version: str) -> str:
    """Return the version an object has when a client does not tell it.

    Core objects follow the protocol version, all others are 1.0 (Core TS V1_2 §7.2.2).
    """
    return _CORE_OBJECT_VERSIONS.get(Version.parse(lwm2m_version), {}).get(object_id, "1.0")
