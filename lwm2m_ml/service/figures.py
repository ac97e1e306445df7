"""The figures of a running service, for whoever watches over it: what is now, and what was counted since the start."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from lwm2m_ml.bus import Bus
from lwm2m_ml.service.campaigns.campaign import CampaignChanged
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.event_feed import TELLERS


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


@dataclass(slots=True)
class Counts:
    """What is only told on the bus, counted from `start()` on."""

    events: Counter[str] = field(default_factory=Counter)
    campaign_steps: Counter[str] = field(default_factory=Counter)
    delivered_bytes: int = 0

    def start(self, bus: Bus) -> None:
        """Listen to what is counted."""
        for event_type in TELLERS:
            bus.subscribe(event_type, self._hear)

    async def _hear(self, event: object) -> None:
        self.events[type(event).__name__] += 1
        if isinstance(event, CampaignChanged) and event.device is not None:
            self.campaign_steps[str(event.device.state)] += 1
            if event.device.state is DeviceState.ACTIVE:
                self.delivered_bytes += event.device.ota_bytes or 0
