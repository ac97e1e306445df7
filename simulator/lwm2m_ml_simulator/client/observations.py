"""What servers observe, and when they are told (Core TS §6.4.1, §7.3.2)."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence

from lwm2m_ml.lwm2m.attributes import NotificationAttributes, inherited
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.client.notification_rules import AttributeStore, lets_through
from lwm2m_ml_simulator.client.tree import ObjectTree

MAXIMUM_OBSERVATIONS = 256
MAXIMUM_HISTORY = 64


class Observation:
    """One observation of one server; `asked` are attributes that came with the request itself (V1_2 §6.4.1)."""

    def __init__(
        self,
        paths: Sequence[ObjectPath],
        tree: ObjectTree,
        attributes: AttributeStore,
        asked: NotificationAttributes | None = None,
    ) -> None:
        self.paths = tuple(paths)
        self.history: deque[Record] = deque(maxlen=MAXIMUM_HISTORY)
        """The values that were worth telling since the last notification, where hqmax asks for them."""
        self._tree = tree
        self._attributes = attributes
        self._asked = asked if asked is not None else NotificationAttributes()
        self._changed = asyncio.Event()
        self._told_at = self._evaluated_at = asyncio.get_running_loop().time()
        self._known = self._seen = self._records()

    @property
    def attributes(self) -> NotificationAttributes:
        """What is in force now."""
        return inherited((self._attributes.in_force(self.paths[0] if self.paths else ROOT), self._asked))

    def concerns(self, path: ObjectPath) -> bool:
        """Tell whether a change at `path` can be seen here."""
        return any(own.contains(path) or path.contains(own) for own in self.paths)

    def change(self) -> None:
        """Something here may have changed."""
        self._changed.set()

    async def until_due(self) -> None:
        """Wait until the server has to be told: a change that its conditions let through, or pmax has passed."""
        loop = asyncio.get_running_loop()
        waits_for_pmin = False
        while True:
            attributes = self.attributes
            earliest = self._told_at + (attributes.minimum_period or 0)
            latest = self._told_at + attributes.maximum_period if attributes.maximum_period else None
            evaluation = attributes.maximum_evaluation_period
            wake_at = [latest, self._evaluated_at + evaluation if evaluation else None]
            wake_at.append(earliest if waits_for_pmin else None)
            await self._wait(min((at for at in wake_at if at is not None), default=None), attributes)
            waits_for_pmin = self._evaluate(attributes) or waits_for_pmin
            now = loop.time()
            if (latest is not None and now >= latest) or (waits_for_pmin and now >= earliest):
                break
        self._told_at = loop.time()

    async def _wait(self, wake_at: float | None, attributes: NotificationAttributes) -> None:
        """Wait for a change, no earlier than epmin after the last evaluation, or for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(wake_at):
                await self._changed.wait()
                pause = self._evaluated_at + (attributes.minimum_evaluation_period or 0)
                await asyncio.sleep(pause - asyncio.get_running_loop().time())

    def _evaluate(self, attributes: NotificationAttributes) -> bool:
        """Look at the values; True when what is there now is worth a notification."""
        self._evaluated_at = asyncio.get_running_loop().time()
        # An edge is one against what was seen last, thresholds and steps count from what was told last.
        before, is_reported = self._known if attributes.edge is None else self._seen, self._changed.is_set()
        self._changed.clear()
        now = self._seen = self._records()
        if not is_reported and now == before:
            return False
        if not lets_through(attributes, self._single(before), self._single(now)):
            return False
        self._known = now
        self._keep(now, attributes.maximum_historical_queue or 0)
        return True

    def _keep(self, records: Sequence[Record], length: int) -> None:
        moment = time.time()
        self.history.extend(record._replace(timestamp=moment) for record in records if length)
        while len(self.history) > length * max(1, len(records)):
            self.history.popleft()

    def _records(self) -> tuple[Record, ...]:
        return self._tree.read_readable(self.paths)

    def _single(self, records: Sequence[Record]) -> Value | None:
        """The value that gt, lt, st and edge compare: there is one if a single resource is observed."""
        is_single = len(self.paths) == 1 and self.paths[0].level >= 3 and len(records) == 1
        return records[0].value if is_single else None


class Observations:
    """All observations of one client, and the attributes that servers wrote."""

    def __init__(self, tree: ObjectTree, attributes: AttributeStore) -> None:
        self.attributes = attributes
        self._tree = tree
        self._all: set[Observation] = set()

    def __len__(self) -> int:
        return len(self._all)

    @contextlib.contextmanager
    def add(self, paths: Sequence[ObjectPath], asked: NotificationAttributes | None = None) -> Iterator[Observation]:
        """Observe for as long as the context lasts."""
        observation = Observation(paths, self._tree, self.attributes, asked)
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
