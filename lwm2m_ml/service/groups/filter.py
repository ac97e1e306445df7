"""The language of filters: terms such as `target=nrf52840,stm32* storage_free>=20000 tag=oslo`, all of which must hold.

A term is a field, one of `=`, `!=`, `>=`, `<=`, `>`, `<`, and a value; `=` and `!=` take several values with commas
between them, and `*` and `?` in them as file names do. Values with blanks are quoted. Versions compare number by
number. The empty filter lets everybody through.
"""

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lwm2m_ml.errors import InvalidInputError

MAXIMUM_LENGTH = 2_000
TERM = re.compile(r"([a-z_]+)(!=|>=|<=|=|>|<)(.+)", re.DOTALL)

Value = str | int | float | Collection[str] | None
Facts = Mapping[str, Value]

FIELDS: Mapping[str, str] = {
    "endpoint": "endpoint client name",
    "target": "target for which modules are compiled",
    "type": "device type that an operator gave it",
    "model": "models that it runs",
    "version": "versions of the models that it runs",
    "tag": "tags that an operator gave it",
    "firmware": "firmware version",
    "hardware": "hardware version",
    "manufacturer": "manufacturer",
    "model_number": "model number of the device",
    "lwm2m": "version of LwM2M",
    "storage_free": "free module storage in bytes",
    "memory_free": "free working memory in bytes",
    "clock": "clock of the processor in Hz",
}
"""What can be asked for."""

_COMPARISONS: Mapping[str, Callable[[int], bool]] = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
}


class InvalidFilter(InvalidInputError):
    """A filter that says nothing that could be looked for."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition."""

    field: str
    operator: str
    values: tuple[str, ...]

    def holds(self, facts: Facts) -> bool:
        """Tell whether it holds for a device; what is not known of one is neither equal nor greater nor smaller."""
        known = facts.get(self.field)
        if known is None:
            return self.operator == "!="
        if self.operator in _COMPARISONS:
            return any(_COMPARISONS[self.operator](_order(one, self.values[0])) for one in _each(known))
        equal = any(_equal(one, wanted) for one in _each(known) for wanted in self.values)
        return equal == (self.operator == "=")


@dataclass(frozen=True, slots=True)
class Filter:
    """Terms that must all hold."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """Read a filter; raises `InvalidFilter` naming the term that is wrong."""
        if len(text) > MAXIMUM_LENGTH:
            raise InvalidFilter(f"A filter has at most {MAXIMUM_LENGTH:,} characters")
        try:
            parts = shlex.split(text)
        except ValueError as error:
            raise InvalidFilter(f"The filter {text[:80]!r} cannot be read: {error}") from error
        return cls(tuple(map(_term, parts)))

    def holds(self, facts: Facts) -> bool:
        """Tell whether a device of which this is known belongs to it."""
        return all(term.holds(facts) for term in self.terms)


def _term(text: str) -> Term:
    match = TERM.fullmatch(text)
    if match is None:
        raise InvalidFilter(f"{text[:80]!r} is no condition", hint="Conditions look like target=nrf52840")
    field, operator, value = match.groups()
    if field not in FIELDS:
        raise InvalidFilter(f"Nothing is known of {field!r}", hint=f"Fields are {', '.join(FIELDS)}")
    values = (value,) if operator in _COMPARISONS else tuple(one for one in value.split(",") if one)
    if not values:
        raise InvalidFilter(f"{text[:80]!r} has no value")
    return Term(field, operator, values)


def _each(known: Value) -> Sequence[str | int | float]:
    if isinstance(known, str | int | float):
        return (known,)
    return tuple(known or ())


def _equal(known: str | int | float, wanted: str) -> bool:
    if isinstance(known, str):
        return fnmatchcase(known, wanted)
    return _order(known, wanted) == 0


def _order(known: str | int | float, wanted: str) -> int:
    """Compare: below 0, 0 or above 0. Numbers as numbers, texts as versions."""
    if not isinstance(known, str):
        try:
            number = float(wanted.replace("_", ""))
        except ValueError:
            raise InvalidFilter(f"{wanted[:40]!r} is no number") from None
        return (known > number) - (known < number)
    left, right = _version(known), _version(wanted)
    return (left > right) - (left < right)


def _version(text: str) -> tuple[tuple[int, int, str], ...]:
    """Split a version at dots and hyphens; numbers order as numbers and come after words, as release after beta."""
    parts = re.split(r"[.\-+_]", text)
    return tuple((1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part) for part in parts)
