"""Selections: which registered devices are meant, by name, by group, by filter, or all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lwm2m_ml.errors import ConflictError, UsageError
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.service.groups.groups import ALL, FILTER, GROUP, Groups


@dataclass(frozen=True, slots=True)
class Selection:
    """Who a campaign is for: its words for people and the store, and the endpoints that match now."""

    text: str
    endpoints: tuple[str, ...]


class Selections:
    """Finds out who is meant."""

    def __init__(self, registry: Registry, groups: Groups, address: Callable[[], str]) -> None:
        """`address` is where devices register, for whoever has none."""
        self._registry = registry
        self._groups = groups
        self._address = address

    def choose(
        self, *, endpoints: Sequence[str] | None = None, group: str | None = None, filter: str | None = None
    ) -> Selection:
        """Choose registered devices: by name, by group, by filter, or all of them; raises when nobody is meant."""
        if endpoints is not None:
            return self._named(endpoints)
        text = ALL if group is None and filter is None else f"{GROUP}{group}" if group else f"{FILTER}{filter}"
        members = self._groups.members(text)
        if not members and text == ALL:
            raise ConflictError("No device is registered", hint=f"Let devices register at {self._address()}")
        if not members:
            raise ConflictError(f"No registered device belongs to {text}", hint="See what is known: devices list")
        return Selection(text, members)

    def _named(self, endpoints: Sequence[str]) -> Selection:
        names = tuple(self._registry.get(endpoint).endpoint for endpoint in endpoints)
        if not names:
            raise UsageError("No device is named", hint=f'Name endpoints, or "{ALL}"')
        return Selection(f"{len(names)} devices by name", names)
