"""What is observed of a device, and its latest values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lwm2m_ml.coap.notification import Notification
from lwm2m_ml.coap.observation import Observation
from lwm2m_ml.lwm2m.gateway import split_uri_path, uri_path
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record

OnRecords = Callable[[Sequence[Record]], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One path (Observe, §6.4.1) or several at once (Observe-Composite, §6.4.3)."""

    paths: tuple[ObjectPath, ...]
    composite: bool = False
    prefix: str = ""
    """Names a device behind the one that is asked (object 25)."""

    @classmethod
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


@dataclass(slots=True, eq=False)
class Observed:
    """A target under observation; `records` are its latest values."""

    endpoint: str
    target: Target
    hear: Callable[["Observed", Notification], None]
    """Gets what comes; the same for all, since there are hundreds of thousands of them."""
    lasting: bool = False
    records: tuple[Record, ...] = ()
    callbacks: tuple[OnRecords, ...] = ()
    observation: Observation | None = None

    def __call__(self, notification: Notification) -> None:
        """A notification came."""
        self.hear(self, notification)

    @property
    def active(self) -> bool:
        """Whether the device has accepted and notifications can come."""
        return self.observation is not None and self.observation.active

    def forget(self) -> None:
        """Expect no notifications, without telling the device."""
        if self.observation is not None:
            self.observation.forget()
            self.observation = None
