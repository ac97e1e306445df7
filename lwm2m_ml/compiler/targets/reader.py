"""Reads one target file strictly: every key known, every value of its type and range, errors naming file and key."""

import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

from lwm2m_ml.compiler.targets.errors import InvalidTargetFile
from lwm2m_ml.compiler.targets.target import Architecture, MemoryBank, Power, Proof, Storage, Target

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_FLAG = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,31}")
# One of the other keys, and in brackets what of it.
_FIGURE = re.compile(r"[a-z_.]{1,32}( \([a-z0-9 ]{1,32}\))?")
# A compiler flag is data from a file: only what selects an instruction set, never a path or another option.
_COMPILER_FLAG = re.compile(r"-(target|mcpu|mfpu|march|mabi|mfloat-abi)(=[A-Za-z0-9_.+-]+)?|[a-z0-9_.+-]+")
_MAX_BYTES = 1 << 32
_MAX_TEXT = 400
_Choice = TypeVar("_Choice", bound=StrEnum)

_CORE_KEYS = frozenset(
    {"name", "title", "family", "architecture", "isa", "compiler_flags", "emulator_cpu", "proof", "source"}
)
_MCU_KEYS = _CORE_KEYS - {"architecture", "isa", "compiler_flags", "emulator_cpu", "proof"} | {
    "core",
    "flash_bytes",
    "ram",
    "clock_hz",
    "storage",
    "power",
    "accelerators",
    "from_memory",
}


class _Table:
    """A TOML table together with where it came from, so that every complaint can name the place."""

    def __init__(self, file: str, values: Mapping[str, Any], keys: frozenset[str], prefix: str = "") -> None:
        self._file = file
        self._values = values
        self._prefix = prefix
        for key in values:
            if key not in keys:
                raise self.error(key, f"unknown key; known: {', '.join(sorted(keys))}")

    def error(self, key: str, problem: str) -> InvalidTargetFile:
        return InvalidTargetFile(self._file, f"{self._prefix}{key}", problem)

    def has(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._required(key)
        if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TEXT:
            raise self.error(key, f"must be a text of 1 to {_MAX_TEXT} characters")
        if pattern is not None and not pattern.fullmatch(value):
            raise self.error(key, f"{value!r} does not match {pattern.pattern}")
        return value

    def optional_text(self, key: str, pattern: re.Pattern[str] | None = None) -> str | None:
        return self.text(key, pattern) if self.has(key) else None

    def choice(self, key: str, kind: type[_Choice]) -> _Choice:
        value = self.text(key)
        try:
            return kind(value)
        except ValueError:
            choices = ", ".join(str(item) for item in kind)
            raise self.error(key, f"{value!r} is none of {choices}") from None

    def texts(self, key: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(x, str) and pattern.fullmatch(x) for x in value):
            raise self.error(key, f"must be a list of texts that match {pattern.pattern}")
        return tuple(value)

    def integer(self, key: str, *, least: int = 1, most: int = _MAX_BYTES) -> int:
        value = self._required(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"must be a whole number from {least} to {most}")
        return value

    def optional_integer(self, key: str, *, least: int = 1, most: int = _MAX_BYTES) -> int | None:
        return self.integer(key, least=least, most=most) if self.has(key) else None

    def number(self, key: str) -> float:
        value = self._required(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 1e6:
            raise self.error(key, "must be a number above 0")
        return float(value)

    def table(self, key: str, keys: frozenset[str]) -> "_Table":
        value = self._required(key)
        if not isinstance(value, dict):
            raise self.error(key, "must be a table")
        return _Table(self._file, value, keys, f"{self._prefix}{key}.")

    def tables(self, key: str, keys: frozenset[str]) -> "list[_Table]":
        value = self._required(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"must be a list of tables, [[{key}]]")
        return [_Table(self._file, item, keys, f"{key}[{index}].") for index, item in enumerate(value)]

    def _required(self, key: str) -> Any:
        if key not in self._values:
            raise self.error(key, "is missing")
        return self._values[key]


def read_core(text: str, *, file: str) -> Target:
    """Read the file of a core: what its instructions are and how to compile, execute and prove them."""
    table = _Table(file, _parse(text, file), _CORE_KEYS)
    name = table.text("name", _NAME)
    return Target(
        name=name,
        core=name,
        title=table.text("title"),
        family=table.optional_text("family"),
        architecture=table.choice("architecture", Architecture),
        isa=table.texts("isa", _FLAG),
        compiler_flags=table.texts("compiler_flags", _COMPILER_FLAG),
        emulator_cpu=table.optional_text("emulator_cpu", _NAME),
        proof=table.choice("proof", Proof),
        source=table.text("source"),
    )


def read_mcu(text: str, cores: Mapping[str, Target], *, file: str) -> Target:
    """Read the file of a microcontroller; its instruction set comes from one of `cores`."""
    table = _Table(file, _parse(text, file), _MCU_KEYS)
    core = cores.get(table.text("core", _NAME))
    if core is None:
        raise table.error("core", f"must be one of {', '.join(sorted(cores))}")
    name = table.text("name", _NAME)
    if name in cores:
        raise table.error("name", f"{name!r} is the name of a core")
    banks = _banks(table)
    return Target(
        name=name,
        core=core.name,
        title=table.text("title"),
        family=table.optional_text("family"),
        architecture=core.architecture,
        isa=core.isa,
        compiler_flags=core.compiler_flags,
        emulator_cpu=core.emulator_cpu,
        proof=core.proof,
        source=table.text("source"),
        flash_bytes=table.optional_integer("flash_bytes"),
        ram_bytes=sum(bank.bytes for bank in banks) or None,
        ram_banks=banks,
        clock_hz=table.optional_integer("clock_hz", most=10_000_000_000),
        storage=_storage(table),
        power=_power(table),
        accelerators=table.texts("accelerators", _NAME),
        from_memory=table.texts("from_memory", _FIGURE),
    )


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidTargetFile(file, "syntax", str(error)) from None


def _banks(table: _Table) -> tuple[MemoryBank, ...]:
    if not table.has("ram"):
        return ()
    banks = tuple(
        MemoryBank(
            name=bank.text("name"),
            bytes=bank.integer("bytes"),
            address=bank.optional_integer("address", least=0, most=_MAX_BYTES - 1),
        )
        for bank in table.tables("ram", frozenset({"name", "bytes", "address"}))
    )
    if len({bank.name for bank in banks}) != len(banks):
        raise table.error("ram", "two banks have the same name")
    placed = sorted((bank.address, bank.bytes) for bank in banks if bank.address is not None)
    if any(start + length > following for (start, length), (following, _) in pairwise(placed)):
        raise table.error("ram", "two banks overlap")
    return banks


def _storage(table: _Table) -> Storage | None:
    if not table.has("storage"):
        return None
    storage = table.table("storage", frozenset({"write_alignment", "erase_block"}))
    return Storage(
        write_alignment=storage.optional_integer("write_alignment", most=1 << 16),
        erase_block=storage.optional_integer("erase_block", most=1 << 20),
    )


def _power(table: _Table) -> Power | None:
    if not table.has("power"):
        return None
    power = table.table("power", frozenset({"active_watts", "source"}))
    return Power(active_watts=power.number("active_watts"), source=power.text("source"))
