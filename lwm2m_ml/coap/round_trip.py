"""How long to wait for a peer: an RFC 6298 estimator, fed by acknowledgements of messages sent once."""

from lwm2m_ml.coap.settings import CoapSettings

SMOOTHING = 1 / 8
VARIATION_SMOOTHING = 1 / 4
VARIATION_WEIGHT = 4
STALE_AFTER = 600.0
"""A measurement older than this says little about the path (seconds)."""


class RoundTrip:
    """Smoothed round-trip time of one peer and its variation (RFC 6298 §2)."""

    __slots__ = ("measured_at", "smoothed", "variation")

    def __init__(self, sample: float, now: float) -> None:
        self.smoothed = sample
        self.variation = sample / 2
        self.measured_at = now

    def add(self, sample: float, now: float) -> None:
        """Take in the time between a message and its acknowledgement, in seconds."""
        self.variation += VARIATION_SMOOTHING * (abs(self.smoothed - sample) - self.variation)
        self.smoothed += SMOOTHING * (sample - self.smoothed)
        self.measured_at = now

    def timeout(self, settings: CoapSettings, now: float) -> float:
        """The time-out before the first retransmission, without random factor."""
        if now - self.measured_at > STALE_AFTER:
            return settings.ack_timeout
        estimate = self.smoothed + VARIATION_WEIGHT * self.variation
        return min(max(estimate, settings.minimum_timeout), settings.maximum_timeout)
