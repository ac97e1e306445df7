"""Where the figures of a running service are read: from each part as it is now, and from what the bus has told."""

from collections import Counter
from dataclasses import dataclass, field

from lwm2m_ml.bus import Bus
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.campaigns.campaign import CampaignChanged
from lwm2m_ml.service.campaigns.campaigns import Campaigns
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.event_feed import TELLERS, EventFeed
from lwm2m_ml.service.figures import Figures
from lwm2m_ml.service.jobs import Jobs
from lwm2m_ml.service.monitoring.monitoring import Monitoring
from lwm2m_ml.store.writer import Writer


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


@dataclass(frozen=True, slots=True)
class Meters:
    """The parts of a service that have figures."""

    server: Lwm2mServer
    writer: Writer
    jobs: Jobs
    feed: EventFeed
    builder: Builder
    campaigns: Campaigns
    monitoring: Monitoring
    counts: Counts = field(default_factory=Counts)

    def read(self) -> Figures:
        """Return the figures of this moment."""
        server, results = self.server, self.monitoring.results
        remotes = [registration.remote for registration in server.registry]
        return Figures(
            devices=len(server.registry),
            sessions_bytes={
                "in": sum(remote.bytes_in for remote in remotes),
                "out": sum(remote.bytes_out for remote in remotes),
            },
            traffic=server.traffic,
            requests_waiting=server.requests.waiting,
            writes_waiting=self.writer.waiting,
            database_failing=int(self.writer.durability.trouble is not None),
            jobs_running=self.jobs.running,
            followers=self.feed.followers,
            operations=dict(server.statistics.count),
            operation_seconds=dict(server.statistics.seconds),
            events=dict(self.counts.events),
            compilations=self.builder.compilations,
            compilation_seconds=self.builder.compilation_seconds,
            campaigns=dict(self.campaigns.states),
            campaign_steps=dict(self.counts.campaign_steps),
            delivered_bytes=self.counts.delivered_bytes,
            results_dropped=results.dropped,
            result_messages_put_off=results.put_off,
            alarms_open=len(self.monitoring.alarms.open()),
        )
