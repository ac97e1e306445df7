"""What is observed of a device, and its latest values."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lwm2m_ml.coap.notification import Notification
from lwm2m_ml.coap.observation import Observation
from lwm2m_ml.lwm2m.gateway import split_uri_path, uri_path
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record

OnRecords = Callable[[Sequence[Record]], None]

REMEMBERED_TARGETS = 1_024
"""Texts that are parsed once: what a fleet is observed for is the same on most devices."""


@dataclass(frozen=True, slots=True)
class Target:
    """One path (Observe, §6.4.1) or several at once (Observe-Composite, §6.4.3)."""

    paths: tuple[ObjectPath, ...]
    composite: bool = False
    prefix: str = ""
    """Names a device behind the one that is asked (object 25)."""

    @classmethod
    @functools.lru_cache(maxsize=REMEMBERED_TARGETS)
    def parse(cls, text: str, *, composite: bool) -> "Target":
        """Read paths separated by spaces."""
        found = [split_uri_path(path.strip("/").split("/")) for path in (text.split() if composite else [text])]
        return cls(tuple(path for _, path in found), composite, prefix=found[0][0])

    @property
    def path(self) -> ObjectPath:
        """What answers are about: the path, or the root for a composite."""
        return ROOT if self.composite else self.paths[0]

    def __str__(self) -> str:
        return " ".join(f"/{'/'.join(uri_path(path, self.prefix))}" for path in self.paths)


class Observer(Protocol):
    """Who understands what devices say."""

    def notified(self, observed: "Observed", notification: Notification) -> None:
        """A notification came."""

    def records_of(self, observed: "Observed") -> tuple[Record, ...]:
        """What the device said last, as values."""


@dataclass(slots=True, eq=False)
class Observed:
    """A target under observation. A server has hundreds of thousands of them."""

    endpoint: str
    target: Target
    observer: Observer
    lasting: bool = False
    payload: bytes = b""
    """What the device said last, as it came: few are asked for it, and records take more room."""
    content_format: int | None = None
    callbacks: tuple[OnRecords, ...] = ()
    observation: Observation | None = None

    def __call__(self, notification: Notification) -> None:
        """A notification came."""
        self.observer.notified(self, notification)

    @property
    def records(self) -> tuple[Record, ...]:
        """The latest values; none of a device that is not registered any more."""
        return self.observer.records_of(self)

    @property
    def active(self) -> bool:
        """Whether the device has accepted and notifications can come."""
        return self.observation is not None and self.observation.active

    def forget(self) -> None:
        """Expect no notifications, without telling the device."""
        if self.observation is not None:
            self.observation.forget()
            self.observation = None
