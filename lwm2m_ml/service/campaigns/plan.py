"""How a campaign is to go: phases, thresholds, gates, retries, windows, rates and deadlines. Data, checked once."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.service.campaigns.failures import RETRYABLE, FailureKind

DAY = 86_400.0
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHARE = re.compile(r"(?:(\d{1,3}(?:\.\d{1,3})?)\s*%|(\d{1,9}))")

Percent = Annotated[float, Field(ge=0, le=100)]
Positive = Annotated[float, Field(gt=0, le=366 * DAY)]
Seconds = Annotated[float, Field(ge=0, le=366 * DAY)]


class InvalidPlan(InvalidInputError):
    """A campaign's plan asks for something that cannot be."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a rollout.

    `size` is how much of the fleet it brings the campaign to: `10%`, or a number of devices; or `endpoints` names them.
    After its devices came to an end they are watched for `soak` seconds; `approval` asks an operator before it opens.
    """

    size: str = "100%"
    endpoints: tuple[str, ...] = ()
    soak: Seconds = 0.0
    approval: bool = False

    def __post_init__(self) -> None:
        match = SHARE.fullmatch(self.size)
        if match is None or (match[1] and float(match[1]) > 100):
            raise InvalidPlan(f"The size of a phase is {self.size!r}", hint="Give a share such as 10% or a number")

    def reach(self, devices: int) -> int:
        """Return how many of so many devices are in the campaign once this phase is open; at least one."""
        match = SHARE.fullmatch(self.size)
        if match is None or match[1] is None:
            return min(devices, int(self.size))
        return max(1, min(devices, round(devices * float(match[1]) / 100)))


@dataclass(frozen=True, slots=True)
class Gates:
    """What the model must do where it runs, in devices of the open phases; None does not look.

    Latency in milliseconds, the mean of a device. Failures in percent of its inferences. Drift as the population
    stability index. Agreement in percent of the results that got feedback, over all devices with feedback. A device
    counts once it has made `results` inferences; `devices` of them, or all that are active, are needed to judge.
    """

    latency: Annotated[float, Field(gt=0)] | None = None
    failures: Percent | None = None
    drift: Annotated[float, Field(gt=0)] | None = None
    agreement: Percent | None = None
    results: Annotated[int, Field(ge=1)] = 20
    devices: Annotated[int, Field(ge=1)] = 1

    @property
    def any(self) -> bool:
        """Whether there is anything to look at."""
        return any(limit is not None for limit in (self.latency, self.failures, self.drift, self.agreement))


class OnErrors(StrEnum):
    """What follows when too many devices failed."""

    PAUSE = "pause"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many devices must succeed and how many may fail, in percent of those that were not refused.

    `errors` is looked at after every device, from `least` ended devices on; `success` at the end of a phase.
    """

    success: Percent = 0.0
    errors: Percent = 20.0
    least: Annotated[int, Field(ge=1)] = 1
    on_errors: OnErrors = OnErrors.PAUSE


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a device is tried, for which kinds of failure, and how long is waited before, doubling every time."""

    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    kinds: frozenset[FailureKind] = RETRYABLE
    delay: Positive = 60.0

    def allows(self, kind: FailureKind, attempts: int) -> bool:
        """Whether a device that failed so after so many attempts gets another one."""
        return kind in self.kinds and attempts < self.attempts

    def delay_after(self, attempts: int) -> float:
        """Return the seconds to wait after so many attempts."""
        return float(min(self.delay * 2.0 ** (attempts - 1), DAY))


@dataclass(frozen=True, slots=True)
class Window:
    """When deliveries may begin: from `start` to before `end` (HH:MM, over midnight too) on `days`, in a time zone."""

    start: str
    end: str
    days: tuple[str, ...] = WEEKDAYS
    zone: str = "UTC"

    def __post_init__(self) -> None:
        for text in (self.start, self.end):
            _clock(text)
        unknown = sorted(set(self.days) - set(WEEKDAYS))
        if unknown or not self.days:
            raise InvalidPlan(f"{', '.join(unknown) or 'no day'} is no day", hint=f"Days are {', '.join(WEEKDAYS)}")
        _zone(self.zone)

    def is_open(self, now: float) -> bool:
        """Tell whether a delivery may begin at a Unix time."""
        return any(begins <= now < ends for begins, ends in self._around(now, days=1))

    def opens(self, now: float) -> float:
        """Return the Unix time from which a delivery may begin, which is `now` when the window is open."""
        return min(max(begins, now) for begins, ends in self._around(now, days=8) if ends > now)

    def _around(self, now: float, *, days: int) -> list[tuple[float, float]]:
        """Return begin and end of the window on each of its days from yesterday on."""
        zone, start, end = _zone(self.zone), _clock(self.start), _clock(self.end)
        today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
        found = []
        for offset in range(-1, days + 1):
            day = today + timedelta(days=offset)
            if WEEKDAYS[day.weekday()] not in self.days:
                continue
            last = day if end > start else day + timedelta(days=1)
            begins, ends = datetime.combine(day, start, zone), datetime.combine(last, end, zone)
            found.append((begins.timestamp(), ends.timestamp()))
        return found


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast: devices begun per minute, bytes of packages per second on average, devices at the same time."""

    devices_per_minute: Annotated[float, Field(gt=0)] | None = None
    bytes_per_second: Annotated[float, Field(gt=0)] | None = None
    at_once: Annotated[int, Field(ge=1, le=10_000)] = 64


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How many seconds each state may last, so that nothing waits for ever."""

    phase: Positive = 7 * DAY
    evidence: Positive = DAY
    approval: Positive = 7 * DAY
    paused: Positive = 30 * DAY
    cancelling: Positive = DAY
    rolling_back: Positive = 7 * DAY


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about how a campaign goes.

    `joiners`: devices that match later are added to the last phase for as long as the campaign goes on.
    """

    # For its parts, too: a gate whose name is misspelt must not be a gate that everything passes.
    __pydantic_config__ = ConfigDict(extra="forbid")

    phases: Annotated[tuple[Phase, ...], Field(min_length=1, max_length=32)] = (
        Phase("1%"),
        Phase("10%"),
        Phase("100%"),
    )
    thresholds: Thresholds = Thresholds()
    gates: Gates = Gates()
    retry: Retry = Retry()
    windows: Annotated[tuple[Window, ...], Field(max_length=64)] = ()
    rate: Rate = Rate()
    deadlines: Deadlines = field(default_factory=Deadlines)
    joiners: bool = False

    def to_json(self) -> dict[str, Any]:
        """Turn the plan into what the store keeps."""
        document: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return document

    @classmethod
    def at_once(cls) -> "Plan":
        """Return the plan of a plain deployment: everybody in one phase, each tried once, whatever comes of it."""
        return cls(phases=(Phase(),), thresholds=Thresholds(errors=100.0), retry=Retry(attempts=1))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Plan":
        """Read a plan; raises `InvalidPlan` naming what is wrong."""
        try:
            return _ADAPTER.validate_python(document)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise InvalidPlan(f"The plan is wrong at {place}: {first['msg']}") from error


def assign_phases(phases: Sequence[Phase], endpoints: Sequence[str], seed: str = "") -> dict[str, int]:
    """Return the phase of every device: those a phase names, then its share of the others.

    The others are drawn by lot, always the same one for a seed, so that a canary has devices of many kinds. Whoever no
    phase reaches belongs to the last one, so that a plan of `1%, 10%` still ends with everybody.
    """
    named = {endpoint: number for number, phase in enumerate(phases) for endpoint in phase.endpoints}
    drawn = sorted(endpoints, key=lambda endpoint: hashlib.sha256(f"{seed} {endpoint}".encode()).digest())
    others = iter([endpoint for endpoint in drawn if endpoint not in named])
    assigned = {endpoint: named[endpoint] for endpoint in endpoints if endpoint in named}
    for number, phase in enumerate(phases):
        open_by_now = sum(at <= number for at in assigned.values())
        wanted = 0 if phase.endpoints else phase.reach(len(endpoints)) - open_by_now
        assigned.update(dict.fromkeys(islice(others, max(0, wanted)), number))
    assigned.update(dict.fromkeys(others, len(phases) - 1))
    return {endpoint: assigned[endpoint] for endpoint in endpoints}


def _clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise InvalidPlan(f"{text[:20]!r} is no time of day", hint="Times are HH:MM") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidPlan(f"There is no time zone {name[:40]!r}", hint="Use a name such as Europe/Berlin") from None


_ADAPTER: TypeAdapter[Plan] = TypeAdapter(Plan)
