"""What a path between a device and its server is like, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conditions:
    """One path, alike in both directions. Times in seconds, sizes in bytes.

    `latency` is that of one way, `jitter` the standard deviation of what is added to it (never less than nothing).
    `loss`, `duplication` and `reordering` are shares of all datagrams; one that is reordered is held back by
    `reorder_delay` and so overtaken. Datagrams larger than `mtu` vanish, as behind a router that tells nobody.
    `bandwidth` is in bits per second. A NAT forgets a device after `nat_timeout` seconds without a datagram: the next
    one comes from another port.
    """

    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    reorder_delay: float = 0.05
    mtu: int | None = None
    bandwidth: float | None = None
    nat_timeout: float | None = None

    @property
    def perfect(self) -> bool:
        """Whether every datagram arrives at once."""
        return not (self.latency or self.jitter or self.unreliable or self.mtu or self.bandwidth)

    @property
    def unreliable(self) -> bool:
        """Whether datagrams get lost, doubled or out of order."""
        return bool(self.loss or self.duplication or self.reordering)
