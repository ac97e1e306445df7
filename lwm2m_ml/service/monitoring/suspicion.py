"""How a feature that is judged again and again comes to raise an alarm, and to clear it, as a table.

One drifted window may be chance or a passing thing; two in a row raise the alarm, and two calm ones end it.
"""

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    """How a feature stands."""

    CALM = "calm"
    SUSPECTED = "suspected"
    ALARMED = "alarmed"
    RECOVERING = "recovering"


class Action(StrEnum):
    """What the step from one phase to another means."""

    NONE = "none"
    RAISE = "raise"
    CLEAR = "clear"


_TABLE: Mapping[tuple[Phase, bool], tuple[Phase, Action]] = {
    # (phase, drifted): (next phase, action)
    (Phase.CALM, False): (Phase.CALM, Action.NONE),
    (Phase.CALM, True): (Phase.SUSPECTED, Action.NONE),
    (Phase.SUSPECTED, False): (Phase.CALM, Action.NONE),
    (Phase.SUSPECTED, True): (Phase.ALARMED, Action.RAISE),
    (Phase.ALARMED, False): (Phase.RECOVERING, Action.NONE),
    (Phase.ALARMED, True): (Phase.ALARMED, Action.NONE),
    (Phase.RECOVERING, False): (Phase.CALM, Action.CLEAR),
    (Phase.RECOVERING, True): (Phase.ALARMED, Action.NONE),
}


def step(phase: Phase, *, drifted: bool) -> tuple[Phase, Action]:
    """Return the next phase and what to do."""
    return _TABLE[phase, drifted]


def standing(known: Phase, *, alarm_open: bool) -> Phase:
    """Return the phase that agrees with the alarms: they outlive a restart, and end with the module they are about."""
    if alarm_open:
        return known if known is Phase.RECOVERING else Phase.ALARMED
    return known if known is Phase.SUSPECTED else Phase.CALM
