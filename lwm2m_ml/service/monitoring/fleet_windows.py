"""What all devices of a model counted together, so that a drift too small to see on one of them shows."""

from dataclasses import dataclass, field

from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.known_modules import KnownModule

ModelKey = tuple[str, str]


@dataclass(slots=True)
class FleetWindow:
    """The sum of device windows since `began`."""

    module: KnownModule
    began: float
    counters: Counters = field(default_factory=Counters)
    devices: int = 0


class FleetWindows:
    """One window per model version under way; each is handed out when it is as long as a period."""

    def __init__(self, period: float) -> None:
        self._period = period
        self._windows: dict[ModelKey, FleetWindow] = {}

    def add(self, module: KnownModule, window: Counters, now: float) -> FleetWindow | None:
        """Add what one device counted; return the whole when it covers a period, and begin the next.

        Devices whose histogram has other bins are counted in a window that begins with them.
        """
        key = (module.model, module.version)
        found = self._windows.get(key)
        if found is None or _other_bins(found.counters, window):
            found = self._windows[key] = FleetWindow(module, now)
        found.counters = found.counters.plus(window)
        found.devices += 1
        if now - found.began < self._period:
            return None
        return self._windows.pop(key)


def _other_bins(one: Counters, other: Counters) -> bool:
    return bool(one.histogram and other.histogram) and len(one.histogram) != len(other.histogram)
