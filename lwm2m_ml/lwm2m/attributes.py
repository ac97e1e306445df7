"""Notification attributes: pmin, pmax, gt, lt, st, epmin, epmax, con, edge, hqmax (Core TS V1_2 §7.3.2)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.definitions import Catalogue, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.versions import Version

MAX_SECONDS = 2**32 - 1


class AttributesError(InvalidInputError):
    """A Write-Attributes request is malformed, contradicts itself or does not fit its path."""


@dataclass(frozen=True, slots=True)
class NotificationAttributes:
    """When and how notifications are sent; None where nothing is set. Periods are in seconds."""

    minimum_period: int | None = None
    maximum_period: int | None = None
    greater_than: float | None = None
    less_than: float | None = None
    step: float | None = None
    minimum_evaluation_period: int | None = None
    maximum_evaluation_period: int | None = None
    confirmable: bool | None = None
    edge: bool | None = None
    maximum_historical_queue: int | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    field: str
    form: str
    levels: frozenset[int]
    since: Version
    types: frozenset[ResourceType] | None = None


_ANY_LEVEL = frozenset({1, 2, 3, 4})
_VALUE_LEVELS = frozenset({3, 4})
_NUMERIC = frozenset({ResourceType.INTEGER, ResourceType.UNSIGNED_INTEGER, ResourceType.FLOAT, ResourceType.TIME})
_BOOLEAN = frozenset({ResourceType.BOOLEAN})

RULES: Mapping[str, _Rule] = {
    "pmin": _Rule("minimum_period", "seconds", _ANY_LEVEL, Version(1, 0)),
    "pmax": _Rule("maximum_period", "seconds", _ANY_LEVEL, Version(1, 0)),
    "gt": _Rule("greater_than", "number", _VALUE_LEVELS, Version(1, 0), _NUMERIC),
    "lt": _Rule("less_than", "number", _VALUE_LEVELS, Version(1, 0), _NUMERIC),
    "st": _Rule("step", "step", _VALUE_LEVELS, Version(1, 0), _NUMERIC),
    "epmin": _Rule("minimum_evaluation_period", "seconds", _ANY_LEVEL, Version(1, 1)),
    "epmax": _Rule("maximum_evaluation_period", "seconds", _ANY_LEVEL, Version(1, 1)),
    "con": _Rule("confirmable", "flag", _ANY_LEVEL, Version(1, 2)),
    "edge": _Rule("edge", "flag", _VALUE_LEVELS, Version(1, 2), _BOOLEAN),
    "hqmax": _Rule("maximum_historical_queue", "seconds", _ANY_LEVEL, Version(1, 2)),
}
"""By its name on the wire: an attribute's form, the path levels that may carry it, the version that brought it."""


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """What a Write-Attributes request asks for: attributes to set and, by their wire names, attributes to clear."""

    set: NotificationAttributes
    cleared: frozenset[str] = frozenset()

    def applied_to(self, present: NotificationAttributes) -> NotificationAttributes:
        """Return the attributes after the request, or raise `AttributesError` where they contradict each other."""
        changes = _set_fields(self.set) | {RULES[name].field: None for name in self.cleared}
        changed = replace(present, **changes)
        check_consistent(changed)
        return changed


def parse_attributes(query: Sequence[str]) -> AttributeChange:
    """Read the Uri-Query options of a Write-Attributes request; a bare name clears its attribute."""
    values: dict[str, int | float | bool] = {}
    cleared: set[str] = set()
    for item in query:
        name, separator, text = item.partition("=")
        rule = RULES.get(name)
        if rule is None or name in cleared or rule.field in values:
            raise AttributesError(
                f"{item[:40]!r} is unknown or occurs twice", hint=f"Attributes are {', '.join(RULES)}"
            )
        if separator:
            values[rule.field] = _value(name, rule, text)
        else:
            cleared.add(name)
    return AttributeChange(NotificationAttributes(**values), frozenset(cleared))  # type: ignore[arg-type]


def format_attributes(change: AttributeChange) -> tuple[str, ...]:
    """Return the Uri-Query options of a Write-Attributes request."""
    options = []
    for name, rule in RULES.items():
        value = getattr(change.set, rule.field)
        if name in change.cleared:
            options.append(name)
        elif value is not None:
            options.append(f"{name}={_text(value)}")
    return tuple(options)


def attributes_of_link(link_attributes: Mapping[str, str | None]) -> NotificationAttributes:
    """Return what a Discover link tells about notifications; whatever is malformed there is left out."""
    values: dict[str, int | float | bool] = {}
    for name, text in link_attributes.items():
        rule = RULES.get(name)
        if rule is None or text is None:
            continue
        try:
            values[rule.field] = _value(name, rule, text)
        except AttributesError:
            continue
    return NotificationAttributes(**values)  # type: ignore[arg-type]


def check_placement(change: AttributeChange, path: ObjectPath, catalogue: Catalogue, *, version: str = "1.2") -> None:
    """Raise `AttributesError` where an attribute does not fit the path's level, type or the client's version."""
    definition = catalogue.resource(path)
    for name, rule in RULES.items():
        if getattr(change.set, rule.field) is None and name not in change.cleared:
            continue
        if rule.since > Version.parse(version):
            raise AttributesError(f"{name} needs LwM2M {rule.since}, {path} speaks {version}", hint="Leave it out")
        if path.level not in rule.levels:
            raise AttributesError(
                f"{name} cannot be set on {path}", hint="Set it on a resource" if path.level < 3 else ""
            )
        if rule.types is not None and definition is not None and definition.type not in rule.types:
            raise AttributesError(f"{name} does not fit {path}, which is {definition.type.value}", hint="Leave it out")


def check_consistent(attributes: NotificationAttributes) -> None:
    """Raise `AttributesError` where the attributes contradict each other (V1_2 §7.3.2, notes to table 7.3.2-2)."""
    minimum, maximum = attributes.minimum_period, attributes.maximum_period
    if minimum is not None and maximum is not None and 0 < maximum < minimum:
        raise AttributesError(f"pmin={minimum} is above pmax={maximum}", hint="pmin may be at most pmax")
    minimum, maximum = attributes.minimum_evaluation_period, attributes.maximum_evaluation_period
    if minimum is not None and maximum is not None and maximum < minimum:
        raise AttributesError(f"epmin={minimum} is above epmax={maximum}", hint="epmin may be at most epmax")
    low, high, step = attributes.less_than, attributes.greater_than, attributes.step
    if low is not None and high is not None and low + 2 * (step or 0) >= high:
        raise AttributesError(
            f"lt={low:g}, gt={high:g} and st={step or 0:g} leave no room", hint="lt + 2 * st must be below gt"
        )


def inherited(levels: Iterable[NotificationAttributes]) -> NotificationAttributes:
    """Return what is in force: each attribute from the lowest level that sets it.

    `levels` go from the server's defaults (/1/x/2, /1/x/3) over object and instance down to the observed path.
    """
    effective = NotificationAttributes()
    for level in levels:
        effective = replace(effective, **_set_fields(level))
    if effective.minimum_period and effective.maximum_period and effective.maximum_period < effective.minimum_period:
        # Set on different levels they may contradict each other: then pmax is ignored.
        effective = replace(effective, maximum_period=None)
    return effective


def _set_fields(attributes: NotificationAttributes) -> dict[str, Any]:
    values = {field.name: getattr(attributes, field.name) for field in fields(attributes)}
    return {name: value for name, value in values.items() if value is not None}


_SECONDS = re.compile(r"\d{1,10}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)


def _value(name: str, rule: _Rule, text: str) -> int | float | bool:
    if rule.form == "seconds" and _SECONDS.fullmatch(text) and int(text) <= MAX_SECONDS:
        return int(text)
    if rule.form == "flag" and text in {"0", "1"}:
        return text == "1"
    if rule.form in {"number", "step"} and _NUMBER.fullmatch(text):
        number = float(text)
        if math.isfinite(number) and (rule.form == "number" or number > 0):
            return number
    raise AttributesError(f"{name}={text[:40]} is not a value for {name}", hint=_FORMS[rule.form])


_FORMS = {
    "seconds": "Give a whole number below 2^32",
    "number": "Give a decimal number",
    "step": "Give a decimal number above zero",
    "flag": "Give 0 or 1",
}


def _text(value: int | float | bool) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        # The grammar of V1_2 §7.3.2 has no exponents.
        return f"{value:.0f}" if value.is_integer() else f"{value:.15f}".rstrip("0")
    return str(value)
