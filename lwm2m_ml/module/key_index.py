"""What a key store knows of its keys: one JSON file, replaced as a whole."""

import json
import os
import pathlib
import tempfile
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from lwm2m_ml.module.errors import KeyFileError

FORM = 1
MAXIMUM_INDEX_BYTES = 1 << 20


class Purpose(StrEnum):
    """What a key may sign."""

    ROOT = "root"
    """Trust lists, and nothing else."""
    MODULES = "modules"
    """Module packages."""


class KeyState(StrEnum):
    """Where a key is in its life."""

    ACTIVE = "active"
    """It signs."""
    RETIRING = "retiring"
    """It signs no more; what it signed is accepted until its end."""
    REVOKED = "revoked"
    """What it signed is refused."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key: its thumbprint in hexadecimal, and times in Unix seconds."""

    key_id: str
    purpose: Purpose
    algorithm: str
    state: KeyState
    created: int
    valid_until: int | None = None


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """All keys, oldest first, and the version of the last trust list that was signed."""

    keys: tuple[KeyRecord, ...] = ()
    trust_list_version: int = 0

    def with_key(self, record: KeyRecord) -> "KeyIndex":
        """Return the index with `record` added, or in the place of the one with its identifier."""
        if any(key.key_id == record.key_id for key in self.keys):
            changed = tuple(record if key.key_id == record.key_id else key for key in self.keys)
            return replace(self, keys=changed)
        return replace(self, keys=(*self.keys, record))

    def save(self, path: pathlib.Path) -> None:
        """Write the file: after a power cut there is the old or the new one."""
        content = {"form": FORM, "trust_list_version": self.trust_list_version, "keys": [asdict(k) for k in self.keys]}
        replace_file(path, json.dumps(content, indent=2).encode())

    @classmethod
    def load(cls, path: pathlib.Path) -> "KeyIndex":
        """Read the file, an empty index where there is none; raises KeyFileError."""
        try:
            with path.open("rb") as file:
                data = file.read(MAXIMUM_INDEX_BYTES + 1)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise KeyFileError(f"The key index {path} cannot be read: {error.strerror}") from error
        try:
            content = json.loads(data)
            if content["form"] != FORM or len(data) > MAXIMUM_INDEX_BYTES:
                raise ValueError("form")
            return cls(tuple(_record(entry) for entry in content["keys"]), int(content["trust_list_version"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise KeyFileError(f"The key index {path} is damaged") from error


def replace_file(path: pathlib.Path, content: bytes) -> None:
    """Write a file as a whole, readable by its owner only; raises KeyFileError, and then the old one stays."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        pathlib.Path(name).replace(path)
    except OSError as error:
        raise KeyFileError(f"The file {path} cannot be written: {error.strerror}") from error


def _record(entry: dict[str, Any]) -> KeyRecord:
    record = KeyRecord(**entry)
    bytes.fromhex(record.key_id)
    return replace(record, purpose=Purpose(record.purpose), state=KeyState(record.state))
