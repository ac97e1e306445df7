"""Notification attributes as servers wrote them, how they are inherited, and what they let through (Core TS §7.3.2)."""

from collections.abc import Callable, Sequence

from lwm2m_ml.lwm2m.attributes import (
    AttributeChange,
    NotificationAttributes,
    check_placement,
    inherited,
    parse_attributes,
)
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value

MAXIMUM_PATHS = 1024


class AttributeStore:
    """Attributes by path. `defaults` tells those of the server account, `version` what the client speaks now."""

    def __init__(
        self, catalogue: Catalogue, version: Callable[[], str], defaults: Callable[[], NotificationAttributes]
    ) -> None:
        self._catalogue = catalogue
        self._version = version
        self._defaults = defaults
        self._assigned: dict[ObjectPath, NotificationAttributes] = {}

    def write(self, path: ObjectPath, query: Sequence[str]) -> None:
        """Write-Attributes; raises AttributesError for what contradicts itself or has no place at `path`."""
        change = self.parse(path, query)
        changed = change.applied_to(self.assigned(path))
        if changed == NotificationAttributes():
            self._assigned.pop(path, None)
        elif path in self._assigned or len(self._assigned) < MAXIMUM_PATHS:
            self._assigned[path] = changed

    def parse(self, path: ObjectPath, query: Sequence[str]) -> AttributeChange:
        """Read attributes for `path`; raises AttributesError."""
        change = parse_attributes(query)
        check_placement(change, path, self._catalogue, version=self._version())
        return change

    def assigned(self, path: ObjectPath) -> NotificationAttributes:
        """Return what was written at `path` itself, as Discover shows it."""
        return self._assigned.get(path, NotificationAttributes())

    def in_force(self, path: ObjectPath) -> NotificationAttributes:
        """Return what governs observations of `path`."""
        levels = (self.assigned(path.ancestor(level)) for level in range(1, path.level + 1))
        return inherited((self._defaults(), *levels))


def lets_through(attributes: NotificationAttributes, before: Value | None, now: Value | None) -> bool:
    """Tell whether a change of value is worth a notification."""
    if attributes.edge is not None and isinstance(before, bool) and isinstance(now, bool):
        return before != now and now == attributes.edge
    thresholds = (attributes.greater_than, attributes.less_than)
    if attributes.step is None and thresholds == (None, None):
        return True
    old, new = _number(before), _number(now)
    if old is None or new is None:
        return True
    crossed = any(threshold is not None and (old > threshold) != (new > threshold) for threshold in thresholds)
    return crossed or (attributes.step is not None and abs(new - old) >= attributes.step)


def _number(value: Value | None) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
