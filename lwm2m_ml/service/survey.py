"""All there is to choose from for a device: every variant by every backend and optimisation, measured and compared."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.builds import Build, Builder
from lwm2m_ml.service.checks import Room, Shortfall, check_before_build, check_build
from lwm2m_ml.service.fit import resolve_target
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.workers.facts import BackendFacts
from lwm2m_ml.service.zoo.model import Model, Variant

PLANS = ("balanced", "size", "speed")

Measure = Callable[[Build], int]


@dataclass(frozen=True, slots=True)
class Constraints:
    """What an operator asks for: accuracy in percent at least; milliseconds, joules and bytes at most."""

    accuracy: float | None = None
    latency: float | None = None
    energy: float | None = None
    package_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One way to put a model on a device. Sizes in bytes, latency in ms, energy in J; None where nobody measured.

    `shortfalls` say exactly what is missing, `changes` the nearest change that would help; `cached` that nothing had to
    be compiled to know.
    """

    variant: str
    backend: str
    plan: str
    accuracy: float | None
    flash_bytes: int | None = None
    ram_bytes: int | None = None
    package_bytes: int | None = None
    instructions: int | None = None
    latency: float | None = None
    energy: float | None = None
    cached: bool = False
    shortfalls: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.shortfalls


@dataclass(frozen=True, slots=True)
class Survey:
    """The answer for devices that are alike: every option, the chosen one, and why it."""

    endpoints: tuple[str, ...]
    target: str
    options: tuple[Option, ...]
    chosen: Option | None
    reason: str


@dataclass(slots=True)
class Surveyor:
    """Looks at one model for kinds of devices; everything compiled is remembered by its content."""

    builder: Builder
    model: Model
    constraints: Constraints = field(default_factory=Constraints)
    plans: Sequence[str] = PLANS

    async def survey(self, endpoints: Sequence[str], runtime: MlRuntime, room: Room, measure: Measure) -> Survey:
        """Try every variant by every backend that serves the device, with every optimisation."""
        try:
            target = resolve_target(runtime)
        except Lwm2mMlError as error:
            return Survey(tuple(endpoints), runtime.target, (), None, error.message)
        backends = await self.builder.rank(target, runtime)
        able = [backend for backend in backends if not backend.against]
        unable = tuple(
            Option("any", one.name, "any", None, shortfalls=(one.against,), changes=("choose another backend",))
            for one in backends
            if one.against
        )
        tried = await asyncio.gather(
            *(
                self._try(variant, backend, plan, _Case(target, runtime, room, measure))
                for variant in self.model.by_accuracy
                for backend in able
                for plan in self.plans
            )
        )
        options = (*tried, *unable)
        chosen = min((option for option in options if option.fits), key=_rank, default=None)
        return Survey(tuple(endpoints), target.name, options, chosen, _reason(options, chosen))

    async def _try(self, variant: Variant, backend: BackendFacts, plan: str, case: "_Case") -> Option:
        before = check_before_build(variant, case.runtime, case.room)
        if before and not self._is_smallest(variant):
            return _short(Option(variant.name, backend.name, plan, variant.accuracy), before)
        try:
            build = await self.builder.build(self.model, variant, case.target, backend, plan)
        except Lwm2mMlError as error:
            option = Option(variant.name, backend.name, plan, variant.accuracy)
            return _short(option, (Shortfall(error.message),))
        option = _measured(variant, backend.name, plan, build, case)
        exact = tuple(one for one in before if not one.bound)
        found = (*exact, *check_build(build.facts, option.package_bytes or 0, case.runtime, case.room))
        return _short(option, (*found, *_beyond(option, self.constraints)))

    def _is_smallest(self, variant: Variant) -> bool:
        """Whether a refusal should name exact figures of this variant, and no bounds."""
        return variant.name == self.model.smallest.name


@dataclass(frozen=True, slots=True)
class _Case:
    """The device at hand."""

    target: Target
    runtime: MlRuntime
    room: Room
    measure: Measure


def _measured(variant: Variant, backend: str, plan: str, build: Build, case: _Case) -> Option:
    facts, clock = build.facts, case.runtime.clock_hz
    latency = None if clock is None or facts.instructions is None else facts.instructions / clock * 1000
    watts = case.target.power.active_watts if case.target.power is not None else None
    return Option(
        variant=variant.name,
        backend=backend,
        plan=plan,
        accuracy=variant.accuracy,
        flash_bytes=facts.flash_bytes,
        ram_bytes=facts.ram_bytes,
        package_bytes=case.measure(build),
        instructions=facts.instructions,
        latency=latency,
        energy=None if latency is None or watts is None else watts * latency / 1000,
        cached=build.cached,
    )


def _short(option: Option, shortfalls: Sequence[Shortfall]) -> Option:
    sentences = tuple(one.sentence for one in shortfalls)
    return replace(option, shortfalls=sentences, changes=tuple(one.change or _change(one) for one in shortfalls))


def _change(shortfall: Shortfall) -> str:
    """Say what would help at the least."""
    if shortfall.needed is not None and shortfall.available is not None:
        least = "at least " if shortfall.bound else ""
        return f"{least}{shortfall.needed - shortfall.available:,} B more"
    return "another device, or another variant"


def _beyond(option: Option, limits: Constraints) -> tuple[Shortfall, ...]:
    """Compare an option with what an operator asks for; what nobody measured cannot be promised."""
    found = []
    if limits.accuracy is not None and (option.accuracy is None or option.accuracy < limits.accuracy):
        has = "unknown" if option.accuracy is None else f"{option.accuracy:g} %"
        change = f"a floor of {has}" if option.accuracy is not None else "measure it"
        found.append(Shortfall(f"accuracy is {has}, at least {limits.accuracy:g} % are asked for", change=change))
    for name, unit, value, limit in (
        ("latency", "ms", option.latency, limits.latency),
        ("energy", "J", option.energy, limits.energy),
        ("the package", "B", option.package_bytes, limits.package_bytes),
    ):
        if limit is not None and (value is None or value > limit):
            has = "unknown" if value is None else f"{value:,.4g} {unit}"
            change = "measure it" if value is None else f"a ceiling of {has}"
            found.append(Shortfall(f"{name} is {has}, at most {limit:,.4g} {unit} are asked for", change=change))
    return tuple(found)


def _rank(option: Option) -> tuple[float, int, int, str]:
    """The most accurate first; of equals the smaller package, then the fewer instructions."""
    unknown = 1 << 62
    return (
        -(option.accuracy or 0.0),
        unknown if option.package_bytes is None else option.package_bytes,
        unknown if option.instructions is None else option.instructions,
        option.backend,
    )


def _reason(options: Sequence[Option], chosen: Option | None) -> str:
    if chosen is not None:
        better = [one for one in options if not one.fits and (one.accuracy or 0.0) > (chosen.accuracy or 0.0)]
        against = "".join(f"; {one.variant}: {one.shortfalls[0]}" for one in {b.variant: b for b in better}.values())
        how = f"{chosen.variant} by {chosen.backend}, {chosen.plan}"
        return f"{how}: the most accurate that fits, in the fewest bytes{against}"
    nearest = next((one for one in reversed(options) if one.package_bytes is not None), None)
    if nearest is None:
        return options[0].shortfalls[0] if options else "no backend serves this device"
    return f"nothing fits; nearest is {nearest.variant}: {'; '.join(nearest.shortfalls)} ({'; '.join(nearest.changes)})"
