"""The figures of a running service, for whoever watches over it: what is now, and what was counted since the start."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at a service. Times in seconds, sizes in bytes."""

    devices: int
    sessions_bytes: Mapping[str, int]
    """Bytes of CoAP that the registered devices sent (`in`) and got (`out`) since they were first heard."""
    traffic: Mapping[tuple[str, str], int]
    """Bytes of CoAP since the start by URI scheme and direction, `in` or `out`."""
    requests_waiting: int
    writes_waiting: int
    database_failing: int
    """1 while the database takes no writes."""
    jobs_running: int
    followers: int
    operations: Mapping[tuple[str, str], int]
    operation_seconds: Mapping[str, float]
    events: Mapping[str, int]
    compilations: int
    compilation_seconds: float
    campaigns: Mapping[str, int]
    campaign_steps: Mapping[str, int]
    delivered_bytes: int
    results_dropped: Mapping[str, int]
    result_messages_put_off: int
    alarms_open: int
