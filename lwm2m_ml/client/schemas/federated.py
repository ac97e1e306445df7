"""Federated runs as JSON."""

from typing import Annotated, Any, Literal

from pydantic import Field

from lwm2m_ml.client.schemas.campaigns import Endpoints, Name
from lwm2m_ml.client.schemas.shape import Schema


class FederatedRequest(Schema):
    """Let devices train the last layers of a model together, from examples that stay on them.

    The devices are `endpoints`, a `group`, those that a `filter` lets through, or without all three every registered
    one. `plan` has the members rounds, mode, start, encoding, local, server, privacy, sampling, limits, pause, adopt
    and variant, each of which may be left out; `docs/federated.md` describes them.
    """

    model: Name
    version: Name | None = None
    endpoints: Endpoints | None = None
    group: Name | None = None
    filter: Annotated[str, Field(max_length=2000)] | None = None
    plan: dict[str, Any] = Field(default_factory=dict)
    name: Name = ""


class FederatedRound(Schema):
    """A round that is over. Bytes are UDP payloads; `joules` is what devices told; `epsilon` covers all rounds so far.

    A round that does not count left the parameters as they were.
    """

    number: int
    counted: bool
    opened_at: float
    closed_at: float
    asked: int
    accepted: int
    rejected: int
    examples: int
    loss: float | None
    step_norm: float | None
    epsilon: float | None
    bytes_down: int
    bytes_up: int
    instructions: int
    joules: float | None


class FederatedRun(Schema):
    """One run: `round` of `rounds` are over, `last` is the newest that is on record.

    `epsilon` is what the rounds cost in privacy, for the plan's δ; None without noise.
    """

    id: str
    name: str
    model: str
    version: str
    variant: str
    selection: str
    devices: int
    state: str
    reason: str
    diagnosis: str
    round: int
    rounds: int
    parameters: int
    finished: bool
    epsilon: float | None
    delta: float
    since: float
    created_at: float
    created_by: str
    plan: dict[str, Any]
    last: FederatedRound | None


class FederatedAnswer(Schema):
    """What became of a device in a round: accepted, rejected, failed, late or adopted, and why."""

    endpoint: str
    outcome: str
    reason: str
    at: float
    examples: int
    loss: float | None
    norm: float | None
    bytes_down: int
    bytes_up: int
    instructions: int | None
    joules: float | None


class FederatedNote(Schema):
    """One line of a run's story: when, who, and what happened."""

    number: int
    at: float
    who: str
    text: str


class FederatedCommand(Schema):
    """What an operator wants of a run, and why."""

    command: Literal["pause", "resume", "cancel"]
    reason: Annotated[str, Field(max_length=500)] = ""


class FederatedWeights(Schema):
    """The parameters that all devices share: float32, little-endian, in Base64."""

    parameters: int
    content: str
