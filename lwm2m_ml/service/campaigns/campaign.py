"""A campaign and its devices as facts, the one record of what has happened to them, and what can be counted of it."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.states import NEXT_STATES, CampaignState, DeviceState


@dataclass(frozen=True, slots=True)
class CampaignDevice:
    """One device of a campaign. Sizes in bytes, times in Unix seconds, instructions per inference; None: not known.

    `before` is the model and version that the device ran when the campaign came to it, such as `digits 1.0.0`, and
    `reported` the version that it told afterwards. `due_at` is when a device that failed is tried again.
    """

    endpoint: str
    phase: int = 0
    target: str = ""
    state: DeviceState = DeviceState.PENDING
    reason: str = ""
    since: float = 0.0
    attempts: int = 0
    due_at: float | None = None
    before: str | None = None
    reported: str | None = None
    variant: str | None = None
    module_digest: str | None = None
    module_bytes: int | None = None
    ram_bytes: int | None = None
    instructions: int | None = None
    ota_bytes: int | None = None
    ota_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.attempts < 0 or self.phase < 0:
            raise ValueError(f"{self.endpoint} has a negative phase or number of attempts")

    def check_step(self, state: DeviceState) -> None:
        """Raise `ValueError` when the table of states does not allow this step."""
        if state is not self.state and state not in NEXT_STATES[self.state]:
            raise ValueError(f"{self.endpoint} cannot go from {self.state} to {state}")


@dataclass(frozen=True, slots=True)
class Campaign:
    """One rollout of a model. `phase` is the number of the newest open phase; `forgiven` failures count no more."""

    id: str
    model: str
    version: str
    plan: Plan
    name: str = ""
    selection: str = ""
    state: CampaignState = CampaignState.RUNNING
    reason: str = ""
    phase: int = 0
    since: float = 0.0
    forgiven: int = 0
    created_at: float = 0.0
    created_by: str = ""

    @property
    def finished(self) -> bool:
        """Whether the campaign is over."""
        return self.state.final

    @property
    def last_phase(self) -> int:
        """The number of the last phase."""
        return len(self.plan.phases) - 1


@dataclass(frozen=True, slots=True)
class CampaignSnapshot:
    """A campaign with all its devices, as they stand at one moment."""

    campaign: Campaign
    devices: tuple[CampaignDevice, ...]

    def device(self, endpoint: str) -> CampaignDevice:
        """Return the row of a device."""
        return next(device for device in self.devices if device.endpoint == endpoint)


@dataclass(frozen=True, slots=True)
class CampaignNote:
    """One line of a campaign's story: when, who (an operator, or the service itself), and what happened."""

    at: float
    who: str
    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class CampaignChanged:
    """Told on the bus after a campaign changed, or a device of it; `state` is the campaign's."""

    campaign_id: str
    state: CampaignState
    device: CampaignDevice | None = None


class Roll:
    """The devices of a running campaign, sorted by phase and state as they change."""

    def __init__(self, devices: Iterable[CampaignDevice] = ()) -> None:
        self.rows: dict[str, CampaignDevice] = {}
        self._sorted: dict[tuple[int, DeviceState], dict[str, None]] = {}
        for device in devices:
            self.put(device)

    def put(self, device: CampaignDevice) -> None:
        """Add a device, or take over its new row; raises `ValueError` for a step that the table does not know."""
        known = self.rows.get(device.endpoint)
        if known is not None:
            known.check_step(device.state)
            del self._sorted[known.phase, known.state][device.endpoint]
        self.rows[device.endpoint] = device
        self._sorted.setdefault((device.phase, device.state), {})[device.endpoint] = None

    def among(self, *states: DeviceState, up_to: int | None = None) -> list[CampaignDevice]:
        """Return the devices in these states, of the phases up to a number."""
        return [self.rows[endpoint] for group in self._groups(states, up_to) for endpoint in group]

    def count(self, *states: DeviceState, up_to: int | None = None) -> int:
        """Return how many devices are in these states, of the phases up to a number."""
        return sum(map(len, self._groups(states, up_to)))

    def total(self, up_to: int | None = None) -> int:
        """Return how many devices there are, in the phases up to a number."""
        return self.count(*DeviceState, up_to=up_to)

    def tally(self) -> dict[str, int]:
        """Return how many devices are in each state that occurs."""
        return {str(state): number for state in DeviceState if (number := self.count(state))}

    def ended(self, up_to: int) -> bool:
        """Whether every device of the phases up to a number came to an end."""
        return not self.count(*(state for state in DeviceState if not state.final), up_to=up_to)

    def _groups(self, states: Iterable[DeviceState], up_to: int | None) -> list[dict[str, None]]:
        wanted = set(states)
        return [
            group
            for (phase, state), group in sorted(self._sorted.items())
            if state in wanted and (up_to is None or phase <= up_to)
        ]


def with_state(
    device: CampaignDevice, state: DeviceState, now: float, reason: str = "", **changes: object
) -> CampaignDevice:
    """Return a device's row in another state, since now."""
    return dataclasses.replace(device, state=state, since=now, reason=reason, **changes)  # type: ignore[arg-type]
