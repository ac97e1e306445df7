"""How long a delivery waits for what, in seconds, and how often it tries."""

from dataclasses import dataclass

from lwm2m_ml.service.delivery.machine import Phase


@dataclass(frozen=True, slots=True)
class DeliveryTiming:
    """Patience. The defaults suit devices that are awake; a test sets its own."""

    poll: float = 2.0
    quick_poll: float = 0.25
    first_block: float = 30.0
    next_block: float = 60.0
    device_work: float = 60.0
    silence: float = 600.0
    attempts: int = 5
    reboots: int = 50
    deferred: float = 7 * 24 * 3600.0
    """How long a device's user may defer an update before it is asked for again."""
    trial_results: int = 3
    trial: float = 300.0
    evidence: float = 5.0
    report: float = 5.0
    push: float = 120.0
    slowest_rate: float = 32.0
    """Bytes per second below which a push is not waited for any longer."""

    def push_limit(self, size: int) -> float:
        """Return how long pushing so many bytes may take."""
        return self.push + size / self.slowest_rate

    def limit(self, phase: Phase) -> float:
        """Return how long a phase may pass without any change."""
        if phase is Phase.OFFERED:
            return self.first_block
        if phase is Phase.DEFERRED:
            return self.deferred
        return self.next_block if phase is Phase.TRANSFER else self.device_work
