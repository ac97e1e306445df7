"""The radio of a simulated device: it sleeps in queue mode, and knows what the path to the server does to datagrams."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lwm2m_ml.lwm2m.queue_mode import Presence
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.network.link import Link
from lwm2m_ml_simulator.network.ports import PortBook
from lwm2m_ml_simulator.network.stream import HEADER_BYTES, Segment

UP, DOWN = "up", "down"


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """`awake_seconds` after each message the radio is switched off, None for never."""

    awake_seconds: float | None = None
    conditions: Conditions = field(default_factory=Conditions)
    seed: int = 0

    @property
    def queue_mode(self) -> bool:
        """Whether the device sleeps (Core TS V1_2 §6.5)."""
        return self.awake_seconds is not None


@dataclass(slots=True)
class RadioFigures:
    """What went through the radio since it was made, and the seconds it was switched on.

    Datagrams are those of UDP, their bytes UDP payloads, and segments of TCP with their headers.
    """

    datagrams_in: int = 0
    datagrams_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    missed: int = 0
    seconds_on: float = 0.0


def _now() -> float:
    return time.monotonic()


class Radio:
    """Decides of each datagram whether it passes; while the radio is off nothing is heard and nothing is kept.

    `passes` has a say in it, for devices whose power fails.
    """

    def __init__(
        self,
        settings: RadioSettings,
        clock: Callable[[], float] = _now,
        passes: Callable[[], bool] = lambda: True,
    ) -> None:
        self.settings = settings
        self.figures = RadioFigures()
        self.up = Link(settings.conditions, f"{UP} {settings.seed}")
        self.down = Link(settings.conditions, f"{DOWN} {settings.seed}")
        self.on_message: Callable[[str, bytes, tuple[str, int], tuple[str, int]], None] | None = None
        """Told of each datagram that passes: direction, contents, the device's address and the other one."""
        self.ports = PortBook()
        """Who had which port, among the devices that share an address."""
        self._passes = passes
        self._clock = clock
        self._counted_until = clock()
        self._presence = Presence(settings.queue_mode, clock(), settings.awake_seconds or 0.0)

    @property
    def awake(self) -> bool:
        """Whether a datagram that arrives now is heard."""
        return self._presence.awake(self._clock())

    @property
    def conditions(self) -> Conditions:
        """What the path is like now."""
        return self.up.conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self.up.conditions = self.down.conditions = conditions

    @property
    def lost(self) -> int:
        """How many datagrams the path lost, in both directions."""
        return self.up.figures.lost + self.down.figures.lost

    @property
    def seconds_on(self) -> float:
        """How long the radio was switched on until now."""
        return self.figures.seconds_on + self._on_since_counted(self._clock())

    def approaching(self, size: int) -> tuple[float, ...]:
        """Return after how many seconds a datagram that the server sent now reaches the device."""
        return self.down.arrivals(size, self._clock())

    def hears(self, size: int) -> bool:
        """Tell whether a datagram that arrives is heard; one that is keeps the radio on."""
        if not self.awake:
            self.figures.missed += 1
            return False
        if not self._passes():
            return False
        self._stay_on()
        self.figures.datagrams_in += 1
        self.figures.bytes_in += size
        return True

    def sends(self, size: int) -> tuple[float, ...]:
        """Switch the radio on for a datagram of the device's own; return when it reaches the server, if it does."""
        self._stay_on()
        self.figures.datagrams_out += 1
        self.figures.bytes_out += size
        return self.up.arrivals(size, self._clock()) if self._passes() else ()

    def opens_stream(self, direction: str, attempts: int) -> None:
        """Count the segments of TCP's handshake: one with SYN in each direction, so often as it was begun."""
        self._count(direction, attempts, attempts * HEADER_BYTES)

    def streams(self, direction: str, segment: Segment) -> None:
        """Count a segment of a stream, each time that it is sent, and its acknowledgement."""
        self._stay_on()
        self._count(direction, segment.sent, segment.sent * (segment.size + HEADER_BYTES))
        if segment.acknowledged:
            self._count(DOWN if direction == UP else UP, 1, HEADER_BYTES)

    def _count(self, direction: str, datagrams: int, size: int) -> None:
        if direction == UP:
            self.figures.datagrams_out += datagrams
            self.figures.bytes_out += size
        else:
            self.figures.datagrams_in += datagrams
            self.figures.bytes_in += size

    def _stay_on(self) -> None:
        now = self._clock()
        self.figures.seconds_on += self._on_since_counted(now)
        self._counted_until = now
        self._presence = self._presence.heard(now)

    def _on_since_counted(self, now: float) -> float:
        since = now - self._counted_until
        awake = self.settings.awake_seconds
        return since if awake is None else min(since, awake)
