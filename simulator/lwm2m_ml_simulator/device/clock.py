"""The clock of a simulated device, which may be wrong."""

import time


class DeviceClock:
    """POSIX time stamps, off by `skew` seconds."""

    def __init__(self, skew: float = 0.0) -> None:
        self.skew = skew

    def __call__(self) -> float:
        """Return what the device takes for the present time."""
        return time.time() + self.skew
