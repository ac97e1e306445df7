"""The times and limits that the LwM2M server keeps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Times in seconds."""

    request_timeout: float = 60.0
    """How long an operation on a device may take, block-wise transfer included."""
    lifetime_grace: float = 30.0
    """How long after its lifetime a registration is kept: an Update may be under way."""
    presence_lag: float = 0.5
    """How much later than in memory a mere sign of life is written; a killed process may forget that much."""
    awake_time: float = 93.0
    """How long a device in queue mode listens after each of its messages (Core TS V1_2 §6.5)."""
    maximum_devices: int = 500_000
    """Registrations kept; whoever floods the server with names fills this, not the memory."""
    registrations_per_peer: float = 1_000.0
    """Registrations per second from one address or identity, gateways included; 0 sets no limit."""
    registrations_under_way: int = 5_000
    """Registrations that may wait for the disk; a herd beyond that is told to come back, each at another time."""
    waiting_per_device: int = 256
    """Operations that may wait for one device; more are refused."""
    request_lifetime: float = 7 * 24 * 3600.0
    """How long a request waits for a sleeping device when its author does not say."""
    request_retention: float = 7 * 24 * 3600.0
    """How long the outcome of such a request is kept."""
    download_lifetime: float = 24 * 3600.0
    """How long published content is served when nobody withdraws it."""
    overload_retry: int = 10
    """Max-Age of a 5.03: when a device should try again."""
