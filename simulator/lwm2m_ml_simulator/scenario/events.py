"""What happens to a fleet while it runs: an event hits some devices, once or again and again."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.network.conditions import Conditions


class Action(StrEnum):
    """What an event does to a device."""

    REBOOT = "reboot"
    POWER_CUT = "power-cut"
    LEAVE = "leave"
    VANISH = "vanish"
    RETURN = "return"
    MOVE = "move"
    REBIND = "rebind"
    NETWORK = "network"
    DRIFT = "drift"
    CLOCK = "clock"
    BIT_ROT = "bit-rot"
    CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class Event:
    """Times in seconds since the fleet was switched on; `lasting` None: for good, or the outage of the profile."""

    action: Action
    at: float
    devices: str = "*"
    share: float = 1.0
    spread: float = 0.0
    every: float | None = None
    until: float | None = None
    lasting: float | None = None
    conditions: Conditions = field(default_factory=Conditions)
    drift: float = 0.0
    clock_skew: float = 0.0
    claims: Mapping[ObjectPath, Value] = field(default_factory=dict)

    def moments(self) -> Iterator[float]:
        """Return when it begins, for ever where it repeats without end."""
        moment = self.at
        while self.until is None or moment <= self.until:
            yield moment
            if self.every is None:
                return
            moment += self.every

    def hits(self, endpoints: Sequence[str], source: random.Random) -> list[tuple[float, str]]:
        """Return who is hit, and how many seconds after the beginning, in this order."""
        fitting = [endpoint for endpoint in endpoints if fnmatchcase(endpoint, self.devices)]
        chosen = fitting if self.share >= 1.0 else source.sample(fitting, round(self.share * len(fitting)))
        return sorted((source.random() * self.spread if self.spread else 0.0, endpoint) for endpoint in chosen)
