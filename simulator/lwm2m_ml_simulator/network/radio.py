"""The radio of a simulated device: it sleeps in queue mode, and the air between it and the server loses datagrams."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from lwm2m_ml.lwm2m.queue_mode import Presence


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """`awake_seconds` after each message the radio is switched off, None for never.

    `loss` is the share of datagrams that get lost, in each direction.
    """

    awake_seconds: float | None = None
    loss: float = 0.0
    seed: int = 0

    @property
    def queue_mode(self) -> bool:
        """Whether the device sleeps (Core TS V1_2 §6.5)."""
        return self.awake_seconds is not None


class Radio:
    """Decides of each datagram whether it passes; while the radio is off nothing is heard and nothing is kept.

    `passes` has a say in it, for devices whose power fails.
    """

    def __init__(
        self,
        settings: RadioSettings,
        clock: Callable[[], float] = time.monotonic,
        passes: Callable[[], bool] = lambda: True,
    ) -> None:
        self.settings = settings
        self._passes = passes
        self.missed = 0
        self.lost = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self._clock = clock
        self._random = random.Random(settings.seed)
        self._presence = Presence(settings.queue_mode, clock(), settings.awake_seconds or 0.0)

    @property
    def awake(self) -> bool:
        """Whether a datagram that arrives now is heard."""
        return self._presence.awake(self._clock())

    def hears(self, size: int) -> bool:
        """Tell whether a datagram that arrives is heard; one that is keeps the radio on."""
        if not self.awake:
            self.missed += 1
            return False
        if self._is_lost() or not self._passes():
            return False
        self.bytes_in += size
        self._presence = self._presence.heard(self._clock())
        return True

    def sends(self, size: int) -> bool:
        """Switch the radio on for a datagram of the device's own; False when it gets lost on its way."""
        self._presence = self._presence.heard(self._clock())
        self.bytes_out += size
        return not self._is_lost() and self._passes()

    def _is_lost(self) -> bool:
        lost = self.settings.loss > 0.0 and self._random.random() < self.settings.loss
        self.lost += lost
        return lost
