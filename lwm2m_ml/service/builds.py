"""Builds: one per content-addressed key, however many devices ask and however often the server restarts."""

import asyncio
import dataclasses
import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from lwm2m_ml import __version__
from lwm2m_ml.compiler.targets import Target, load_target
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.workers.facts import BackendFacts, BuildAnswer, BuildFacts, ExplanationAnswer, ReferenceAnswers
from lwm2m_ml.service.workers.tasks import (
    Samples,
    build_module,
    evaluate_reference,
    explain_module,
    head_parameters,
    measure_baseline,
    rank_backends,
)
from lwm2m_ml.service.workers.workers import Workers
from lwm2m_ml.service.zoo.model import Model, Variant
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store.modules import ModuleRecord
from lwm2m_ml.store.store import Store

log = structlog.get_logger(__name__)

DEFAULT_PLAN = "balanced"


_FACTS_VERSION = 2
"""Of what is kept of a build: one that is kept in an older form is made again."""
_ALL_FORMATS = (0, 1, 2)
_ALL_TYPES = (0, 2, 3, 4)
# Without a version: what the compiler of this service makes by itself.
NATIVE = BackendFacts("native", "", 0, "")


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled module before it is signed."""

    key: str
    model: Model
    variant: Variant
    payload: bytes
    facts: BuildFacts
    cached: bool = field(default=False, compare=False)
    """Whether it was at hand already."""


def build_target(target: Target) -> Target:
    """Return what is compiled for: the core. Microcontrollers around one core share their builds.

    One with a unit beside the processor has its own: what is compiled for it may use the unit.
    """
    return target if target.is_core or target.accelerators else load_target(target.core)


def build_key(
    model: Model, variant: Variant, target: Target, plan: str = DEFAULT_PLAN, backend: BackendFacts = NATIVE
) -> str:
    """Return the digest of everything that goes into a build."""
    calibration = model.calibration
    ingredients = {
        "model": variant.digest,
        "calibration": None if calibration is None else [calibration.digest, calibration.array],
        "target": {name: repr(value) for name, value in dataclasses.asdict(target).items()},
        "plan": plan,
        "backend": [backend.name, backend.version],
        "compiler": __version__,
        "facts": _FACTS_VERSION,
    }
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()


class Builder:
    """Builds modules in worker processes and remembers them in the store."""

    def __init__(self, store: Store, zoo: Zoo, workers: Workers) -> None:
        self._store = store
        self._zoo = zoo
        self._workers = workers
        self._running: dict[str, asyncio.Task[Build]] = {}
        self._waiting: Counter[asyncio.Task[Build]] = Counter()
        self._ranks: dict[tuple[Any, ...], tuple[BackendFacts, ...]] = {}
        self.compilations = 0
        self.compilation_seconds = 0.0

    async def rank(self, target: Target, runtime: MlRuntime) -> tuple[BackendFacts, ...]:
        """Rank the installed backends for a device; the answer is remembered for its kind."""
        return await self._ranked(target, runtime.formats, runtime.data_types, runtime.operators)

    async def _usual(self, target: Target) -> BackendFacts:
        """Return the backend for a target of which nothing is known but itself."""
        ranked = await self._ranked(target, _ALL_FORMATS, _ALL_TYPES, ())
        return next((backend for backend in ranked if not backend.against), NATIVE)

    async def _ranked(
        self, target: Target, formats: tuple[int, ...], data_types: tuple[int, ...], operators: tuple[str, ...]
    ) -> tuple[BackendFacts, ...]:
        kind = (target.name, formats, data_types, operators)
        if kind not in self._ranks:
            what = f"Ranking the backends for {target.name}"
            self._ranks[kind] = await self._workers.run(rank_backends, *kind, what=what)
        return self._ranks[kind]

    async def build(
        self,
        model: Model,
        variant: Variant,
        target: Target,
        backend: BackendFacts | None = None,
        plan: str = DEFAULT_PLAN,
    ) -> Build:
        """Return the module of a variant for a target: from the store, from a build under way, or a new one.

        Without a backend the first of those that serve the target is taken.
        """
        if backend is None:
            backend = await self._usual(target)
        target = build_target(target)
        key = build_key(model, variant, target, plan, backend)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._find_or_make(key, model, variant, target, backend=backend, plan=plan))
            self._running[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await self._wait_for(key, task)

    async def _wait_for(self, key: str, task: asyncio.Task[Build]) -> Build:
        """Wait for a build with others: when one of them is cancelled it goes on, when the last one is it ends."""
        self._waiting[task] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[task] -= 1
            if not self._waiting[task]:
                del self._waiting[task]
                self._ended(key, task)
                task.cancel()  # it is done, unless nobody waits for it any more

    def _ended(self, key: str, task: asyncio.Task[Build]) -> None:
        """Whoever asks from now on finds the build in the store, or begins it anew."""
        if self._running.get(key) is task:
            del self._running[key]

    async def reference_outputs(
        self, model: Model, variant: Variant, inputs: Sequence[Sequence[float]]
    ) -> ReferenceAnswers:
        """Answer inputs with the integer reference: what every device has to answer, bit for bit."""
        content = await self._zoo.content(variant.digest)
        samples = await self._samples(model)
        what = f"Evaluating the reference of {variant.name}"
        return await self._workers.run(evaluate_reference, content, samples, inputs, what=what)

    async def head_parameters(self, model: Model, variant: Variant) -> bytes:
        """Return what the trainable layers of a variant begin with, float32; raises for a model without any."""
        content, samples = await self._zoo.content(variant.digest), await self._samples(model)
        return await self._workers.run(head_parameters, content, samples, what=f"Reading the head of {variant.name}")

    async def explain(self, model: Model, variant: Variant, target: Target) -> ExplanationAnswer:
        """Compile a variant with this service's own compiler and measure it layer by layer."""
        content = await self._zoo.content(variant.digest)
        samples = await self._samples(model)
        what = f"Explaining {variant.name} for {target.name}"
        return await self._workers.run(explain_module, content, samples, target.name, DEFAULT_PLAN, what=what)

    async def stop(self) -> None:
        """Give up builds under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find_or_make(
        self, key: str, model: Model, variant: Variant, target: Target, *, backend: BackendFacts, plan: str
    ) -> Build:
        found = await self._find(key, model, variant)
        if found is not None:
            return found
        content = await self._zoo.content(variant.digest)
        samples = await self._samples(model)
        log.info("compiling", model=model.name, variant=variant.name, target=target.name)
        what = f"Compiling {variant.name} for {target.name}"
        started = time.monotonic()
        self.compilations += 1
        try:
            answer = await self._workers.run(build_module, content, samples, target.name, plan, backend.name, what=what)
        finally:
            self.compilation_seconds += time.monotonic() - started
        baseline = await self._workers.run(
            measure_baseline, content, samples, len(model.labels), what=f"Measuring the inputs of {variant.name}"
        )
        answer = dataclasses.replace(answer, facts=dataclasses.replace(answer.facts, drift=baseline))
        await self._keep(key, model, variant, answer)
        return Build(key, model, variant, answer.payload, answer.facts)

    async def _find(self, key: str, model: Model, variant: Variant) -> Build | None:
        record = await self._store.modules.by_key(key)
        payload = None if record is None else await self._store.artefacts.get(record.package_digest)
        if record is None or payload is None:
            return None
        return Build(key, model, variant, payload, BuildFacts.from_json(record.facts), cached=True)

    async def _keep(self, key: str, model: Model, variant: Variant, answer: BuildAnswer) -> None:
        """Store an unsigned build: its digest is its key, what stands in for the package is the payload."""
        payload_digest = await self._store.artefacts.put(answer.payload)
        facts = answer.facts
        await self._store.modules.put(
            ModuleRecord(
                digest=key,
                key=key,
                model=model.name,
                version=model.version,
                variant=variant.name,
                target=facts.target,
                facts=facts.to_json(),
                package_digest=payload_digest,
            )
        )

    async def _samples(self, model: Model) -> Samples | None:
        if model.calibration is None:
            return None
        return Samples(await self._zoo.content(model.calibration.digest), model.calibration.array)
