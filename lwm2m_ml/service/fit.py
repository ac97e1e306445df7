"""Does it fit? All variants of a model against one device: the most accurate that fits, and why the others do not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lwm2m_ml.compiler.targets import (
    Target,
    UnknownInstructionSet,
    UnknownTarget,
    load_target,
    target_for_instruction_set,
)
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.checks import Room, Shortfall, check_before_build, check_build
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.zoo.model import Model, Variant

BuildVariant = Callable[[Model, Variant, Target], Awaitable[Build]]


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
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._runtime = runtime
        self._room = room
        self._build = build
        self._measure = measure
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
        return Chosen(fit, self._builds.get(chosen.variant) if chosen else None)

    async def _try(self, variant: Variant, target: Target, *, bounds: bool = True) -> Candidate:
        shortfalls = check_before_build(variant, target, self._runtime, self._room)
        if not bounds:
            shortfalls = tuple(shortfall for shortfall in shortfalls if not shortfall.bound)
        if shortfalls:
            return Candidate(variant.name, variant.accuracy, shortfalls)
        try:
            build = await self._build(self._model, variant, target)
        except Lwm2mMlError as error:
            return Candidate(variant.name, variant.accuracy, error=error.message)
        self._builds[variant.name] = build
        package_bytes = self._measure(build)
        facts, clock = build.facts, self._runtime.clock_hz
        return Candidate(
            variant.name,
            variant.accuracy,
            check_build(facts, package_bytes, self._runtime, self._room),
            build_key=build.key,
            package_bytes=package_bytes,
            ram_bytes=facts.ram_bytes,
            instructions=facts.instructions,
            latency=None if clock is None or facts.instructions is None else facts.instructions / clock * 1000,
        )

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
            return f"{chosen.variant} is the most accurate variant that fits{rejected}"
        broken = [candidate for candidate in candidates if candidate.error]
        if broken:
            return f"{broken[-1].variant}: {broken[-1].error}"
        smallest = next(c for c in candidates if c.variant == self._model.smallest.name)
        about_size = any(shortfall.about_size for shortfall in smallest.shortfalls)
        return smallest.why_not + (f"; smallest variant {smallest.variant}" if about_size else "")
