"""Everything about how a federated run goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from lwm2m_ml.errors import InvalidInputError

DAY = 86_400.0
Positive = Annotated[float, Field(gt=0, lt=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]


class InvalidFederatedPlan(InvalidInputError):
    """A plan says something that cannot be done."""


class Mode(StrEnum):
    """What a device does in a round."""

    AVERAGING = "averaging"
    """Some epochs of descent; the server averages how far the devices went."""
    PARAMETER_SERVER = "parameter server"
    """One gradient over all examples; the server descends."""


class Encoding(StrEnum):
    """How the numbers of an update are written."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


class Start(StrEnum):
    """What the trainable layers begin with."""

    MODEL = "model"
    ZEROS = "zeros"


@dataclass(frozen=True, slots=True)
class Local:
    """What each device does: passes over its examples, examples of one step, and the steps."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    batch: Annotated[int, Field(ge=1, le=65_535)] = 8
    rate: Positive = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, slots=True)
class Server:
    """How the server moves: a rate on the mean of the updates, and momentum from round to round."""

    rate: Positive = 1.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0


@dataclass(frozen=True, slots=True)
class Privacy:
    """Updates are shortened to `clip` by the devices; with `noise` the server adds Gaussian noise of `noise` × `clip`.

    `delta` is the δ that ε is accounted for. With noise devices are drawn one by one with the probability of
    `Sampling.share`, count the same, and tell neither examples nor loss.
    """

    clip: Positive = 10.0
    noise: Annotated[float, Field(ge=0, le=1000)] = 0.0
    delta: Annotated[float, Field(gt=0, lt=1)] = 1e-5


@dataclass(frozen=True, slots=True)
class Sampling:
    """Who is asked in a round, and when it ends.

    `share` of the devices that can be asked, at least `least`. The round ends when `enough` of those that were asked
    have answered, or after `seconds`; it counts when `quorum` of them have.
    """

    share: Share = 0.1
    least: Annotated[int, Field(ge=1, le=100_000)] = 1
    enough: Share = 1.0
    quorum: Share = 0.5
    seconds: Positive = 600.0
    at_once: Annotated[int, Field(ge=1, le=10_000)] = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """When the run pauses by itself.

    `errors`: percent of the devices asked in a round that failed or whose update was rejected, from `least` of those
    on. `void_rounds`: rounds one after the other that did not count. A pause ends in a cancellation after `paused`
    seconds.
    """

    errors: Annotated[float, Field(ge=0, le=100)] = 50.0
    least: Annotated[int, Field(ge=1)] = 3
    void_rounds: Annotated[int, Field(ge=1, le=1000)] = 3
    paused: Positive = 30 * DAY


@dataclass(frozen=True, slots=True)
class FederatedPlan:
    """A run: so many rounds that count, with an hour, say, of `pause` seconds between them.

    With `adopt` every device is told at the end to infer with what was learnt.
    """

    # A word that is misspelt must not be one that nobody reads.
    __pydantic_config__ = ConfigDict(extra="forbid")

    rounds: Annotated[int, Field(ge=1, le=10_000)] = 50
    mode: Mode = Mode.AVERAGING
    start: Start = Start.MODEL
    encoding: Encoding = Encoding.INT8
    local: Local = Local()
    server: Server = Server()
    privacy: Privacy = Privacy()
    sampling: Sampling = Sampling()
    limits: Limits = Limits()
    pause: Annotated[float, Field(ge=0, le=30 * DAY)] = 0.0
    adopt: bool = True
    variant: Annotated[str, Field(max_length=128)] = ""

    def to_json(self) -> dict[str, Any]:
        """Turn the plan into what the store keeps."""
        document: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FederatedPlan":
        """Read a plan; raises InvalidFederatedPlan naming what is wrong."""
        try:
            return _ADAPTER.validate_python(document)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "its root"
            raise InvalidFederatedPlan(f"The plan is wrong at {place}: {first['msg']}") from error


_ADAPTER: TypeAdapter[FederatedPlan] = TypeAdapter(FederatedPlan)
