"""What servers observe, and when they are told (Core TS §6.4.1, §7.3.2)."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from lwm2m_ml.lwm2m.attributes import NotificationAttributes
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml_simulator.notification_rules import AttributeStore, lets_through
from lwm2m_ml_simulator.objects.base import OperationRefused
from lwm2m_ml_simulator.tree import ObjectTree

MAXIMUM_OBSERVATIONS = 256


class Observation:
    """One observation of one server."""

    def __init__(self, paths: Sequence[ObjectPath], tree: ObjectTree, attributes: AttributeStore) -> None:
        self.paths = tuple(paths)
        self._tree = tree
        self._attributes = attributes
        self._changed = asyncio.Event()
        self._told_at = asyncio.get_running_loop().time()
        self._told = self._value()

    def concerns(self, path: ObjectPath) -> bool:
        """Tell whether a change at `path` can be seen here."""
        return any(own.contains(path) or path.contains(own) for own in self.paths)

    def change(self) -> None:
        """Something here may have changed."""
        self._changed.set()

    async def until_due(self) -> None:
        """Wait until the server has to be told: a change that its conditions let through, or pmax has passed."""
        loop = asyncio.get_running_loop()
        while True:
            attributes = self._attributes_in_force()
            latest = self._told_at + attributes.maximum_period if attributes.maximum_period else None
            try:
                async with asyncio.timeout_at(latest):
                    await self._changed.wait()
                    await asyncio.sleep(self._told_at + (attributes.minimum_period or 0) - loop.time())
            except TimeoutError:
                break
            self._changed.clear()
            if lets_through(attributes, self._told, self._value()):
                break
        self._told_at, self._told = loop.time(), self._value()

    def _attributes_in_force(self) -> NotificationAttributes:
        return self._attributes.in_force(self.paths[0] if self.paths else ROOT)

    def _value(self) -> float | None:
        """The value that gt, lt and st compare: there is one if a single numeric resource is observed."""
        if len(self.paths) != 1 or self.paths[0].level < 3:
            return None
        try:
            records = self._tree.read(self.paths[0])
        except OperationRefused:
            return None
        value = records[0].value if len(records) == 1 else None
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class Observations:
    """All observations of one client, and the attributes that servers wrote."""

    def __init__(self, tree: ObjectTree, attributes: AttributeStore) -> None:
        self.attributes = attributes
        self._tree = tree
        self._all: set[Observation] = set()

    def __len__(self) -> int:
        return len(self._all)

    @contextlib.contextmanager
    def add(self, paths: Sequence[ObjectPath]) -> Iterator[Observation]:
        """Observe for as long as the context lasts."""
        observation = Observation(paths, self._tree, self.attributes)
        self._all.add(observation)
        try:
            yield observation
        finally:
            self._all.discard(observation)

    @property
    def is_full(self) -> bool:
        """Whether no more observations can be remembered."""
        return len(self._all) >= MAXIMUM_OBSERVATIONS

    def changed(self, path: ObjectPath) -> None:
        """Tell all observations that a change at `path` concerns."""
        for observation in self._all:
            if observation.concerns(path):
                observation.change()

    def write_attributes(self, path: ObjectPath, query: Sequence[str]) -> None:
        """Write-Attributes; observations under way follow at once."""
        self.attributes.write(path, query)
        self.changed(path)
