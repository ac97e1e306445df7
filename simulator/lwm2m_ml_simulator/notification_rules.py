"""Notification attributes as servers write them, inherited from object to resource, and the rule they make (§7.3.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiocoap import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.objects.base import OperationRefused

_PERIODS = ("pmin", "pmax", "epmin", "epmax")
_CONDITIONS = ("gt", "lt", "st")


@dataclass(frozen=True, slots=True)
class NotificationRule:
    """When to notify: no sooner than `minimum_period` seconds, no later than `maximum_period`, and on which change."""

    minimum_period: float = 0.0
    maximum_period: float | None = None
    greater_than: float | None = None
    less_than: float | None = None
    step: float | None = None

    def lets_through(self, before: float | None, now: float | None) -> bool:
        """Tell whether a change of value is worth a notification."""
        conditions = (self.greater_than, self.less_than, self.step)
        if before is None or now is None or all(condition is None for condition in conditions):
            return True
        crossed = any(
            threshold is not None and (before > threshold) != (now > threshold)
            for threshold in (self.greater_than, self.less_than)
        )
        return crossed or (self.step is not None and abs(now - before) >= self.step)


class AttributeStore:
    """Attributes by path."""

    def __init__(self) -> None:
        self._assigned: dict[ObjectPath, dict[str, float]] = {}

    def write(self, path: ObjectPath, query: Sequence[str]) -> None:
        """Write-Attributes: `pmin=10` sets, a bare `pmin` removes; refuses what contradicts itself with 4.00."""
        changed = dict(self._assigned.get(path, {}))
        for parameter in query:
            name, has_value, text = parameter.partition("=")
            if name not in _PERIODS + _CONDITIONS or (name in _CONDITIONS and path.level < 3):
                raise OperationRefused(Code.BAD_REQUEST, f"{name[:20]} is no attribute of {path}")
            if has_value:
                changed[name] = _number(name, text)
            else:
                changed.pop(name, None)
        _check(changed)
        self._assigned[path] = changed

    def assigned(self, path: ObjectPath) -> Mapping[str, str | None]:
        """Return what was written at `path` itself, as Discover shows it."""
        return {name: f"{value:g}" for name, value in self._assigned.get(path, {}).items()}

    def rule(self, path: ObjectPath) -> NotificationRule:
        """Return the rule at `path`: each level inherits from the one above (§7.3.2)."""
        found: dict[str, float] = {}
        for level in range(1, path.level + 1):
            found |= self._assigned.get(path.ancestor(level), {})
        return NotificationRule(
            found.get("pmin", 0.0), found.get("pmax") or None, found.get("gt"), found.get("lt"), found.get("st")
        )


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e300 or (name in (*_PERIODS, "st") and value < 0):
        raise OperationRefused(Code.BAD_REQUEST, f"{name} is not a possible number")
    return value


def _check(attributes: Mapping[str, float]) -> None:
    pairs = (("pmin", "pmax"), ("epmin", "epmax"))
    for low, high in pairs:
        if high in attributes and attributes[high] > 0 and attributes.get(low, 0.0) > attributes[high]:
            raise OperationRefused(Code.BAD_REQUEST, f"{low} is more than {high}")
    if "lt" in attributes and "gt" in attributes:
        step = attributes.get("st", 0.0)
        if not attributes["lt"] + 2 * step < attributes["gt"]:
            raise OperationRefused(Code.BAD_REQUEST, "lt + 2 st is not less than gt")
