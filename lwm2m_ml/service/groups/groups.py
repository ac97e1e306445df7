"""Groups and tags: kept in memory and in the store, and asked who belongs where."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from lwm2m_ml.errors import ConflictError, NotFoundError, UsageError
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.service.groups.filter import Facts, Filter
from lwm2m_ml.service.groups.known import facts_of
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.store.device_groups import DeviceGroupRecord
from lwm2m_ml.store.store import Store

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
MAXIMUM_TAGS = 64
ALL = "all"
GROUP, FILTER = "group ", "filter "


@dataclass(frozen=True, slots=True)
class Group:
    """A name for a filter."""

    name: str
    filter: str
    created_at: float


class Groups:
    """Names for filters, and tags for devices."""

    def __init__(self, store: Store, registry: Registry, keeper: ProfileKeeper) -> None:
        self._store = store
        self._registry = registry
        self._keeper = keeper
        self._groups: dict[str, Group] = {}
        self._tags: defaultdict[str, set[str]] = defaultdict(set)

    async def start(self) -> None:
        """Load what is stored."""
        groups, tags = await self._store.device_groups.all(), await self._store.device_tags.all()
        self._groups.clear()
        self._tags.clear()
        for one in groups:
            self._groups[one.name] = Group(one.name, one.filter, one.created_at)
        for endpoint, tag in tags:
            self._tags[endpoint].add(tag)

    def all(self) -> tuple[Group, ...]:
        """Return the groups, by name."""
        return tuple(self._groups[name] for name in sorted(self._groups))

    def get(self, name: str) -> Group:
        """Return a group; raises `NotFoundError`."""
        if name not in self._groups:
            known = ", ".join(sorted(self._groups)) or "none"
            raise NotFoundError(f"There is no group {name[:64]!r}", hint=f"Groups: {known}")
        return self._groups[name]

    async def add(self, name: str, text: str) -> Group:
        """Give a filter a name; raises `InvalidFilter`, and `ConflictError` when the name is taken."""
        _check_name(name)
        Filter.parse(text)
        if name in self._groups:
            raise ConflictError(f"There is a group {name} already", hint="Remove it first, or choose another name")
        group = DeviceGroupRecord(name, text)
        await self._store.device_groups.put(group)
        self._groups[name] = Group(group.name, group.filter, group.created_at)
        return self._groups[name]

    async def remove(self, name: str) -> None:
        """Forget a group; raises `NotFoundError`. Nothing happens to its devices."""
        self.get(name)
        await self._store.device_groups.delete(name)
        del self._groups[name]

    def members(self, selection: str) -> tuple[str, ...]:
        """Return the registered devices of a selection: `all`, `group NAME` or `filter TEXT`."""
        chosen = self._filter(selection)
        found = []
        for registration in self._registry.all():
            facts = self._facts(registration.endpoint)
            if facts is not None and chosen.holds(facts):
                found.append(registration.endpoint)
        return tuple(found)

    def matches(self, selection: str, endpoint: str) -> bool:
        """Tell whether a registered device belongs to a selection; a group that is gone has nobody."""
        try:
            chosen = self._filter(selection)
        except NotFoundError:
            return False
        facts = self._facts(endpoint)
        return facts is not None and chosen.holds(facts)

    def condition(self, filter: str, among: Collection[str] | None = None) -> Callable[[str], bool] | None:
        """What tells whether a filter, and a set of endpoints if given, mean a device; None when all are meant.

        Raises `InvalidFilter`.
        """
        parsed = Filter.parse(filter)
        if not parsed.terms and among is None:
            return None
        return lambda endpoint: (among is None or endpoint in among) and parsed.holds(self._facts(endpoint) or {})

    def tags(self, endpoint: str) -> tuple[str, ...]:
        """Return a device's tags, in order."""
        return tuple(sorted(self._tags.get(endpoint, ())))

    async def tag(self, endpoint: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
        """Give tags to a device and take others away; returns what it has then."""
        new = tuple(add)
        for tag in new:
            _check_name(tag)
        tags = (self._tags.get(endpoint, set()) | set(new)) - set(remove)
        if len(tags) > MAXIMUM_TAGS:
            raise UsageError(f"{endpoint} would have more than {MAXIMUM_TAGS} tags")
        await self._store.device_tags.replace(endpoint, sorted(tags))
        self._tags[endpoint] = tags
        return self.tags(endpoint)

    def _facts(self, endpoint: str) -> Facts | None:
        return facts_of(self._registry, self._keeper, self.tags, endpoint)

    def _filter(self, selection: str) -> Filter:
        if selection == ALL:
            return Filter()
        if selection.startswith(GROUP):
            return Filter.parse(self.get(selection.removeprefix(GROUP)).filter)
        if selection.startswith(FILTER):
            return Filter.parse(selection.removeprefix(FILTER))
        raise NotFoundError(f"Nobody joins a campaign for {selection[:64] or 'nobody'}")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise UsageError(f"{name[:64]!r} cannot name a group or tag", hint="Use up to 64 letters, digits and . _ : -")
