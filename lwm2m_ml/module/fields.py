"""Reads typed fields out of a decoded CBOR map, and says what is wrong with one that is not as it should be."""

from collections.abc import Collection
from typing import Any

from lwm2m_ml.module.errors import InvalidDescriptorError

MAXIMUM_TEXT_BYTES = 1024
MAXIMUM_UNSIGNED = (1 << 64) - 1


def require(condition: bool, problem: str) -> None:
    """Raise InvalidDescriptorError with `problem` unless `condition` holds."""
    if not condition:
        raise InvalidDescriptorError(problem)


class MapReader:
    """A map with integer keys. `what` begins the sentences of errors; keys outside `known` are refused."""

    def __init__(self, value: Any, what: str, known: Collection[int]) -> None:
        self._what = what
        require(isinstance(value, dict), f"{what} is not a map")
        self._map: dict[Any, Any] = value
        unknown = [key for key in self._map if isinstance(key, bool) or not isinstance(key, int) or key not in known]
        require(not unknown, f"{what} has the unknown key {unknown[0] if unknown else ''}")

    def unsigned(self, key: int) -> int:
        """Return a number of at least 0."""
        value = self.integer(key)
        require(0 <= value <= MAXIMUM_UNSIGNED, f"{self._what} has a number out of range under key {key}")
        return value

    def integer(self, key: int) -> int:
        """Return a whole number."""
        value = self._map.get(key)
        require(_is_integer(value), f"{self._what} has no whole number under key {key}")
        return int(value)  # type: ignore[arg-type]

    def number(self, key: int) -> float:
        """Return a number."""
        value = self._map.get(key)
        require(isinstance(value, float) or _is_integer(value), f"{self._what} has no number under key {key}")
        return float(value)  # type: ignore[arg-type]

    def optional_number(self, key: int) -> float | None:
        """Return a number, or None where there is none."""
        return self.number(key) if key in self._map else None

    def text(self, key: int, default: str | None = None) -> str:
        """Return text."""
        value = self._map.get(key, default)
        require(_is_text(value), f"{self._what} has no text under key {key}")
        return str(value)

    def octets(self, key: int) -> bytes:
        """Return bytes."""
        value = self._map.get(key)
        require(isinstance(value, bytes), f"{self._what} has no bytes under key {key}")
        return bytes(value)  # type: ignore[arg-type]

    def items(self, key: int) -> list[Any]:
        """Return a list, empty where there is none."""
        value = self._map.get(key, [])
        require(isinstance(value, list), f"{self._what} has no list under key {key}")
        return list(value)

    def text_list(self, key: int) -> tuple[str, ...]:
        """Return a list of text, empty where there is none."""
        values = self.items(key)
        require(all(_is_text(value) for value in values), f"{self._what} has something but text under key {key}")
        return tuple(values)

    def unsigned_list(self, key: int) -> tuple[int, ...]:
        """Return a list of numbers of at least 0."""
        values = self.items(key)
        possible = all(_is_integer(value) and 0 <= value <= MAXIMUM_UNSIGNED for value in values)
        require(possible, f"{self._what} has something but numbers under key {key}")
        return tuple(values)


def numbers(values: Any) -> tuple[float, ...]:
    """Return a list of numbers; raises InvalidDescriptorError when it is something else."""
    possible = isinstance(values, list) and all(isinstance(value, float) or _is_integer(value) for value in values)
    require(possible, "Something is not a list of numbers")
    return tuple(float(value) for value in values)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAXIMUM_TEXT_BYTES
