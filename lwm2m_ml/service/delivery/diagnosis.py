"""One sentence for a delivery that is stuck: what was waited for, how long, and when the device was last seen."""

from collections.abc import Callable
from dataclasses import dataclass

from lwm2m_ml.service.delivery.machine import Phase


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known at the moment of a diagnosis. Times in seconds, sizes in bytes."""

    road: str
    waited: float
    served: int
    total: int
    silent_for: float | None
    pushed: bool = False


def diagnose(phase: Phase, situation: Situation) -> str:
    """Say what a delivery is stuck at."""
    return f"{_WAITED_FOR[phase](situation)}; {_last_seen(situation.silent_for)}"


def diagnose_silence(situation: Situation) -> str:
    """Say that a device does not answer at all."""
    return f"the device has not answered for {situation.waited:.0f} s; {_last_seen(situation.silent_for)}"


def describe_transfer(situation: Situation) -> str:
    """Say how a transfer goes on: a slow device is told from a stuck one by its bytes, however few."""
    if situation.pushed:
        return f"pushing {situation.total:,} B for {situation.waited:.0f} s"
    if not situation.served:
        return f"waiting for {situation.waited:.0f} s for the device to fetch the first block"
    rate = situation.served / max(situation.waited, 0.001)
    return f"{situation.served:,} B served for a package of {situation.total:,} B, {rate:,.0f} B/s"


def _last_seen(silent_for: float | None) -> str:
    if silent_for is None:
        return "the device is not registered"
    return f"device last seen {max(0.0, silent_for):.0f} s ago"


def _offered(situation: Situation) -> str:
    if situation.pushed:
        return f"the device took the package but did not change its state for {situation.waited:.0f} s"
    return f"no block fetched for {situation.waited:.0f} s after Package URI was written"


def _transfer(situation: Situation) -> str:
    if situation.pushed:
        return f"the push of {situation.total:,} B broke off {situation.waited:.0f} s ago"
    if not situation.served:
        return _offered(situation)
    return (
        f"no block fetched for {situation.waited:.0f} s after {situation.served:,} B were served"
        f" of a package of {situation.total:,} B"
    )


_WAITED_FOR: dict[Phase, Callable[[Situation], str]] = {
    Phase.RESUMING: lambda s: f"the state of {s.road} did not become one to go on from for {s.waited:.0f} s",
    Phase.CLEARING: lambda s: f"the slot was not emptied for {s.waited:.0f} s after the device was asked to",
    Phase.OFFERED: _offered,
    Phase.TRANSFER: _transfer,
    Phase.CHECKING: lambda s: f"the device has not finished checking the package for {s.waited:.0f} s",
    Phase.INSTALLING: lambda s: f"not installed for {s.waited:.0f} s after {s.road} was told to",
    Phase.DEFERRED: lambda s: f"the device's user has deferred the update for {s.waited:.0f} s",
    Phase.ACTIVATING: lambda s: f"not active for {s.waited:.0f} s after Activate was executed",
}
