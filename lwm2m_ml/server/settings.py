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
    waiting_per_device: int = 256
    """Operations that may wait for one device; more are refused."""
    download_lifetime: float = 24 * 3600.0
    """How long published content is served when nobody withdraws it."""
    overload_retry: int = 10
    """Max-Age of a 5.03: when a device should try again."""
