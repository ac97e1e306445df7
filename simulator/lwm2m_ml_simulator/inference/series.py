"""Series of result numbers (42771/x/16): a number that no two runs of the numbering share, not even across a reboot.

Result numbers live in RAM and count from 1 after every reboot and for every module. One journal record per series is
all the flash it costs.
"""

from lwm2m_ml_simulator.memory.journal import Journal

_SERIES_KEY = 6


class SeriesCounter:
    """The newest series of a device, over all its slots."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self) -> int:
        """Begin a new series, which survives a power cut before its first result is made."""
        stored = self._journal.get(_SERIES_KEY)
        series = 1 + (int.from_bytes(stored, "big") if stored else 0)
        self._journal.put(_SERIES_KEY, series.to_bytes(4, "big"))
        return series
