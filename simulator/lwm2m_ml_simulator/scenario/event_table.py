"""`[[event]]`: what happens to devices while the fleet runs."""

from typing import Annotated

from pydantic import Field, model_validator

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.scenario.events import Action, Event
from lwm2m_ml_simulator.scenario.network_table import NetworkTable
from lwm2m_ml_simulator.scenario.values import (
    Duration,
    Number,
    PositiveDuration,
    ResourcePath,
    Scalar,
    Share,
    Skew,
    Table,
)

_NEEDED = {
    Action.NETWORK: "network",
    Action.DRIFT: "drift",
    Action.CLOCK: "clock_skew",
    Action.CLAIM: "claims",
}
_LASTING = frozenset({Action.POWER_CUT, Action.VANISH, Action.LEAVE, Action.NETWORK, Action.DRIFT})


class EventTable(Table):
    """`{ at = "10m", action = "power-cut", devices = "pump-*", share = 0.1, spread = "30s", lasting = "5m" }`."""

    action: Action = Field(strict=False)
    at: Duration
    devices: Annotated[str, Field(min_length=1, max_length=200)] = "*"
    share: Share = 1.0
    spread: Duration = 0.0
    every: PositiveDuration | None = None
    until: Duration | None = None
    lasting: PositiveDuration | None = None
    network: NetworkTable | None = None
    drift: Annotated[Number, Field(ge=0)] | None = None
    clock_skew: Skew | None = None
    claims: dict[ResourcePath, Scalar] | None = None

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> "EventTable":
        needed = _NEEDED.get(self.action)
        for key in _NEEDED.values():
            if (getattr(self, key) is not None) != (key == needed):
                verb = "needs" if key == needed else "has no use for"
                raise ValueError(f"the action {self.action} {verb} `{key}`")
        if self.lasting is not None and self.action not in _LASTING:
            raise ValueError(f"the action {self.action} has no use for `lasting`")
        if self.until is not None and self.every is None:
            raise ValueError("`until` belongs to `every`")
        return self

    def event(self) -> Event:
        """Return the facts of this table."""
        return Event(
            self.action,
            self.at,
            self.devices,
            self.share,
            self.spread,
            self.every,
            self.until,
            self.lasting,
            self.network.conditions() if self.network is not None else Conditions(),
            self.drift or 0.0,
            self.clock_skew or 0.0,
            {ObjectPath.parse(path): value for path, value in (self.claims or {}).items()},
        )
