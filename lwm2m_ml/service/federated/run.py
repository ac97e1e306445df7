"""A federated run as facts, and what may happen to it: the states and commands of campaigns, one table.

    RUNNING → … → RUNNING → SOAKING → FINISHED

Rounds are run one after the other. After the last one the devices adopt what was learnt (SOAKING).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lwm2m_ml.service.campaigns.states import CampaignEvent, CampaignState
from lwm2m_ml.service.federated.plan import FederatedPlan

_S, _E = CampaignState, CampaignEvent
_OPERATOR = {_E.CANCEL: _S.CANCELLED, _E.CANCEL_HARD: _S.CANCELLED}

TABLE: Mapping[tuple[CampaignState, CampaignEvent], CampaignState] = {
    (_S.RUNNING, _E.PHASE_ENDED): _S.SOAKING,
    (_S.RUNNING, _E.PAUSE): _S.PAUSED,
    (_S.RUNNING, _E.DOUBTED): _S.PAUSED,
    (_S.SOAKING, _E.PASSED_LAST): _S.FINISHED,
    (_S.PAUSED, _E.RESUME): _S.RUNNING,
    (_S.PAUSED, _E.OVERDUE): _S.CANCELLED,
} | {(state, event): after for state in (_S.RUNNING, _S.SOAKING, _S.PAUSED) for event, after in _OPERATOR.items()}


class Outcome(StrEnum):
    """What became of a device in a round."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    LATE = "late"
    ADOPTED = "adopted"


@dataclass(frozen=True, slots=True)
class FederatedRun:
    """One run. `round` counts the rounds that are over and counted; `weights` names the artefact of the parameters."""

    id: str
    model: str
    version: str
    variant: str
    plan: FederatedPlan
    parameters: int
    weights: str
    name: str = ""
    selection: str = ""
    endpoints: tuple[str, ...] = ()
    state: CampaignState = CampaignState.RUNNING
    reason: str = ""
    round: int = 0
    void_rounds: int = 0
    created_at: float = 0.0
    created_by: str = ""
    since: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether nothing more happens."""
        return self.state.final

    @property
    def place(self) -> tuple[float, str]:
        """Where it stands among all runs, the oldest first."""
        return self.created_at, self.id


@dataclass(frozen=True, slots=True)
class FederatedRound:
    """A round that is over. Bytes are UDP payloads between server and devices, as the server counted them.

    `loss` is the mean that devices told, `step_norm` how far the parameters went, `epsilon` what all rounds up to this
    one cost; None where it was not told, did not move, or has no noise.
    """

    number: int
    counted: bool
    opened_at: float
    closed_at: float
    asked: int
    accepted: int
    rejected: int
    weights: str
    examples: int = 0
    loss: float | None = None
    step_norm: float | None = None
    epsilon: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0
    instructions: int = 0
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one device in a round. Costs are as the device told them."""

    endpoint: str
    outcome: Outcome
    reason: str = ""
    at: float = 0.0
    examples: int = 0
    loss: float | None = None
    norm: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0
    instructions: int | None = None
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class FederatedNote:
    """One line of a run's story: when, who (an operator, or the service itself), and what happened."""

    at: float
    who: str
    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class FederatedChanged:
    """Told on the bus after a run changed."""

    run_id: str
    state: CampaignState
    round: int
