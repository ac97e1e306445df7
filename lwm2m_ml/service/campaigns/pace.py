"""How fast a campaign may go: maintenance windows, devices per minute, bytes per second."""

from collections.abc import Sequence

from lwm2m_ml.service.campaigns.plan import Rate, Window

MINUTE = 60.0


class Pace:
    """Says when the next device may begin and when its bytes may go. Times are Unix seconds.

    Both rates are kept on average: whoever begins takes a place in time, and the next one's place is behind it.
    """

    def __init__(self, windows: Sequence[Window], rate: Rate) -> None:
        self._windows = windows
        self._rate = rate
        self._next_device = 0.0
        self._next_bytes = 0.0

    def may_begin_at(self, now: float) -> float:
        """Return when a device may begin: `now`, or later."""
        begin = max(now, self._next_device)
        return min((window.opens(begin) for window in self._windows), default=begin)

    def begin(self, now: float) -> None:
        """Note that a device begins."""
        if self._rate.devices_per_minute is not None:
            self._next_device = max(now, self._next_device) + MINUTE / self._rate.devices_per_minute

    def reserve(self, size: int, now: float) -> float:
        """Return when so many bytes may go over the air, and take their time."""
        begin = max(now, self._next_bytes)
        if self._rate.bytes_per_second is not None:
            self._next_bytes = begin + size / self._rate.bytes_per_second
        return begin

    def why_not(self, now: float) -> str:
        """Say what a device waits for that may not begin yet; empty when it may."""
        wait = self.may_begin_at(now) - now
        if wait <= 0:
            return ""
        if not any(window.is_open(max(now, self._next_device)) for window in self._windows) and self._windows:
            return f"the maintenance window opens in {wait:,.0f} s"
        return f"{self._rate.devices_per_minute:g} devices a minute are allowed, the next one in {wait:,.0f} s"
