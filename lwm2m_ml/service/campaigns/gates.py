"""Gates on what a model does where it runs: what devices tell of it, and whether it may go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lwm2m_ml.service.campaigns.plan import Gates


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one device tells of the module it runs: latency in ms, agreement in percent; None where it does not tell."""

    endpoint: str
    inferences: int = 0
    failures: int = 0
    latency: float | None = None
    drift: float | None = None
    agreement: float | None = None

    @property
    def failure_percent(self) -> float:
        """Failed inferences, in percent of all attempts."""
        attempts = self.inferences + self.failures
        return 100.0 * self.failures / attempts if attempts else 0.0


class VerdictKind(StrEnum):
    """What evidence says so far."""

    OPEN = "open"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict and the sentence that explains it."""

    kind: VerdictKind
    reason: str = ""


Measure = Callable[[Evidence], float | None]

_UPPER: Sequence[tuple[str, str, Measure]] = (
    ("latency", "ms", lambda e: e.latency),
    ("failures", "%", lambda e: e.failure_percent),
    ("drift", "", lambda e: e.drift),
)
"""Gates that every device must pass on its own: the name in `Gates`, the unit, and where the figure is."""


def decide(gates: Gates, evidence: Mapping[str, Evidence], active: int) -> Verdict:
    """Judge what `active` devices told; with no gate to pass, or nobody to look at, the verdict is `passed`."""
    if not gates.any or not active:
        return Verdict(VerdictKind.PASSED)
    telling = [one for one in evidence.values() if one.inferences + one.failures >= gates.results]
    found = _worst(gates, telling) or _disagreement(gates, telling)
    needed = min(gates.devices, active)
    if len(telling) < needed:
        said = f"{len(telling)} of {needed} devices have made {gates.results} inferences"
        return Verdict(VerdictKind.OPEN, said)
    if found:
        return Verdict(VerdictKind.FAILED, found)
    missing = _missing(gates, telling, needed)
    if missing:
        return Verdict(VerdictKind.OPEN, missing)
    return Verdict(VerdictKind.PASSED, _summary(gates, telling))


def _worst(gates: Gates, telling: Sequence[Evidence]) -> str:
    """Name the device that is furthest beyond a limit; empty when none is."""
    for name, unit, measure in _UPPER:
        limit = getattr(gates, name)
        if limit is None:
            continue
        beyond = [(value, one.endpoint) for one in telling if (value := measure(one)) is not None and value > limit]
        if beyond:
            value, endpoint = max(beyond)
            return (
                f"{name} of {endpoint} is {_number(value, unit)}, the gate allows {_number(limit, unit)}"
                f" ({len(beyond)} of {len(telling)} devices are beyond it)"
            )
    return ""


def _disagreement(gates: Gates, telling: Sequence[Evidence]) -> str:
    agreement = _agreement(telling)
    if gates.agreement is None or agreement is None or agreement >= gates.agreement:
        return ""
    judged = sum(one.agreement is not None for one in telling)
    return (
        f"feedback agrees with {_number(agreement, '%')} of the answers of {judged} devices,"
        f" the gate needs {_number(gates.agreement, '%')}"
    )


def _missing(gates: Gates, telling: Sequence[Evidence], needed: int) -> str:
    """Say which evidence has not come yet."""
    judged = sum(one.agreement is not None for one in telling)
    if gates.agreement is not None and judged < needed:
        return f"feedback on {judged} of {needed} devices has come"
    if gates.drift is not None and not any(one.drift is not None for one in telling):
        return "no device tells its drift score"
    return ""


def _agreement(telling: Sequence[Evidence]) -> float | None:
    known = [one.agreement for one in telling if one.agreement is not None]
    return sum(known) / len(known) if known else None


def _summary(gates: Gates, telling: Sequence[Evidence]) -> str:
    parts = [f"{len(telling)} devices"]
    for name, unit, measure in _UPPER:
        values = [value for one in telling if (value := measure(one)) is not None]
        if getattr(gates, name) is not None and values:
            parts.append(f"{name} at most {_number(max(values), unit)}")
    agreement = _agreement(telling)
    if gates.agreement is not None and agreement is not None:
        parts.append(f"agreement {_number(agreement, '%')}")
    return "gates passed: " + ", ".join(parts)


def _number(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".strip()
