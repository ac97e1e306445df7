"""Does it fit? All variants of a model against one device: the most accurate that fits, and why the others do not."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from lwm2m_ml.compiler.targets import (
    Target,
    UnknownInstructionSet,
    UnknownTarget,
    load_target,
    target_for_instruction_set,
)
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.builds import NATIVE, Build
from lwm2m_ml.service.checks import Room, Shortfall, check_before_build, check_build, check_native
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.workers.facts import BackendFacts
from lwm2m_ml.service.zoo.model import Model, Variant

BuildVariant = Callable[[Model, Variant, Target, BackendFacts], Awaitable[Build]]
RankBackends = Callable[[Target, MlRuntime], Awaitable[tuple[BackendFacts, ...]]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One variant on one device. Sizes in bytes, latency in milliseconds; None where it was not built."""

    variant: str
    accuracy: float | None
    shortfalls: tuple[Shortfall, ...] = ()
    error: str = ""
    build_key: str | None = None
    package_bytes: int | None = None
    ram_bytes: int | None = None
    instructions: int | None = None
    latency: float | None = None
    backend: str = ""
    why_backend: str = ""

    @property
    def fits(self) -> bool:
        """Whether the variant was built and passed every check."""
        return self.build_key is not None and not self.shortfalls and not self.error

    @property
    def why_not(self) -> str:
        """Say what speaks against the variant; empty when nothing does."""
        return self.error or "; ".join(shortfall.sentence for shortfall in self.shortfalls)


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer for one device: every candidate looked at, the chosen one, and the reason in a sentence."""

    endpoint: str
    model: str
    version: str
    target: str
    candidates: tuple[Candidate, ...]
    chosen: Candidate | None
    reason: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A fit together with the build that it chose."""

    fit: Fit
    build: Build | None


def resolve_target(runtime: MlRuntime) -> Target:
    """Find what to compile for: the target by its name, else by the instruction set; raises `UnknownTarget`."""
    try:
        return load_target(runtime.target)
    except UnknownTarget:
        try:
            return target_for_instruction_set(runtime.instruction_set)
        except UnknownInstructionSet as error:
            raise Lwm2mMlError(
                f"neither the target {runtime.target!r} nor its instruction set is known to the compiler",
                hint=error.hint,
            ) from None


class Fitting:
    """Looks at one model for one runtime of one device."""

    def __init__(
        self,
        endpoint: str,
        model: Model,
        runtime: MlRuntime,
        room: Room,
        *,
        build: BuildVariant,
        measure: Callable[[Build], int],
        rank: RankBackends | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._runtime = runtime
        self._room = room
        self._build = build
        self._measure = measure
        self._rank = rank
        self._builds: dict[str, Build] = {}

    async def run(self, *, exhaustive: bool = False) -> Chosen:
        """Try the variants, the most accurate first, until one fits; `exhaustive` looks at the others too."""
        try:
            target = resolve_target(self._runtime)
        except Lwm2mMlError as error:
            return Chosen(self._answer("", (), None, error.message), None)
        candidates: list[Candidate] = []
        chosen: Candidate | None = None
        for variant in self._model.by_accuracy:
            candidate = await self._try(variant, target)
            candidates.append(candidate)
            if candidate.fits and chosen is None:
                chosen = candidate
                if not exhaustive:
                    break
        if chosen is None:
            candidates = await self._exactly(candidates, target)
        fit = self._answer(target.name, tuple(candidates), chosen, self._reason(candidates, chosen))
        return Chosen(fit, self._builds.get(chosen.build_key or "") if chosen else None)

    async def _try(self, variant: Variant, target: Target, *, bounds: bool = True) -> Candidate:
        shortfalls = check_before_build(variant, self._runtime, self._room)
        if not bounds:
            shortfalls = tuple(shortfall for shortfall in shortfalls if not shortfall.bound)
        classes, against = await self._backends(target)
        if shortfalls or not classes:
            return Candidate(variant.name, variant.accuracy, (*against, *shortfalls))
        tried: list[Candidate] = []
        for backends in classes:
            made = [await self._built(variant, target, backend) for backend in backends]
            tried += made
            fitting = [candidate for candidate in made if candidate.fits]
            if fitting:
                return _explained(min(fitting, key=_cost), tried)
        return tried[0]

    async def _backends(self, target: Target) -> tuple[list[list[BackendFacts]], tuple[Shortfall, ...]]:
        """The backends that can serve the device, class by class, or the reasons why there is none."""
        if self._rank is None:
            against = check_native(target, self._runtime)
            return ([] if against else [[NATIVE]]), against
        ranked = await self._rank(target, self._runtime)
        able = [backend for backend in ranked if not backend.against]
        classes = [[each for each in able if each.place == place] for place in dict.fromkeys(b.place for b in able)]
        return classes, () if able else (Shortfall(_nobody(target, ranked)),)

    async def _built(self, variant: Variant, target: Target, backend: BackendFacts) -> Candidate:
        try:
            build = await self._build(self._model, variant, target, backend)
        except Lwm2mMlError as error:
            return Candidate(variant.name, variant.accuracy, error=error.message, backend=backend.name)
        package_bytes = self._measure(build)
        facts, clock = build.facts, self._runtime.clock_hz
        candidate = Candidate(
            variant.name,
            variant.accuracy,
            check_build(facts, package_bytes, self._runtime, self._room),
            build_key=build.key,
            package_bytes=package_bytes,
            ram_bytes=facts.ram_bytes,
            instructions=facts.instructions,
            latency=None if clock is None or facts.instructions is None else facts.instructions / clock * 1000,
            backend=backend.name,
            why_backend=backend.why,
        )
        self._builds[build.key] = build
        return candidate

    async def _exactly(self, candidates: list[Candidate], target: Target) -> list[Candidate]:
        """When nothing fits, build the smallest variant after all: a refusal names exact figures, not bounds."""
        smallest = self._model.smallest
        exact = await self._try(smallest, target, bounds=False)
        if exact.fits or exact.error:  # then the bound was the better knowledge
            return candidates
        return [exact if candidate.variant == smallest.name else candidate for candidate in candidates]

    def _answer(self, target: str, candidates: tuple[Candidate, ...], chosen: Candidate | None, reason: str) -> Fit:
        return Fit(
            endpoint=self._endpoint,
            model=self._model.name,
            version=self._model.version,
            target=target,
            candidates=candidates,
            chosen=chosen,
            reason=reason,
            broken=chosen is None and any(candidate.error for candidate in candidates),
        )

    def _reason(self, candidates: list[Candidate], chosen: Candidate | None) -> str:
        if chosen is not None:
            rejected = "".join(f"; {c.variant}: {c.why_not}" for c in candidates if not c.fits)
            backend = f"; {chosen.backend}: {chosen.why_backend}" if chosen.why_backend else ""
            return f"{chosen.variant} is the most accurate variant that fits{rejected}{backend}"
        broken = [candidate for candidate in candidates if candidate.error]
        if broken:
            return f"{broken[-1].variant}: {broken[-1].error}"
        smallest = next(c for c in candidates if c.variant == self._model.smallest.name)
        about_size = any(shortfall.about_size for shortfall in smallest.shortfalls)
        return smallest.why_not + (f"; smallest variant {smallest.variant}" if about_size else "")


_UNKNOWN = 1 << 62


def _cost(candidate: Candidate) -> tuple[int, str]:
    """A per cent of storage, of memory and of time are worth the same; what nobody counted is the most."""
    figures = (candidate.package_bytes, candidate.ram_bytes, candidate.instructions)
    return math.prod(_UNKNOWN if figure is None else figure for figure in figures), candidate.backend


def _explained(best: Candidate, tried: list[Candidate]) -> Candidate:
    """The best candidate, which says what became of the backends that were tried with it."""
    others = [
        f"{candidate.backend}: {candidate.why_not or 'its module costs more'}"
        for candidate in tried
        if candidate != best
    ]
    return replace(best, why_backend="; ".join([best.why_backend, *others]))


def _nobody(target: Target, ranked: tuple[BackendFacts, ...]) -> str:
    reasons = "; ".join(f"{backend.name}: {backend.against}" for backend in ranked)
    return f"no backend makes modules for {target.name} that the device takes ({reasons})"
