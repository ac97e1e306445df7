"""What a device does of object 42772: keeps the recipe, learns when it is told to, holds the update until the next."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy
import structlog

from lwm2m_ml.learning.errors import InvalidVector
from lwm2m_ml.learning.terms import LearningResult, LearningState, VectorEncoding
from lwm2m_ml.learning.update import Update
from lwm2m_ml.learning.vectors import Floats, clipped, decode_vector
from lwm2m_ml_simulator.energy.power import ProcessorPower
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.learning.examples import ExampleStore
from lwm2m_ml_simulator.learning.session import Learnt, Recipe, Session
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager

_log = structlog.get_logger(__name__)
MINIMUM_EXAMPLES = 1


@dataclass(slots=True)
class Terms:
    """What a server has written: resources 5 to 14."""

    token: bytes = b""
    recipe: Recipe = field(default_factory=Recipe)
    clip: float = 1.0
    encoding: VectorEncoding = VectorEncoding.INT8
    tells: bool = True
    weights: bytes = b""


class Learner:
    """Learning with the module of one slot. `on_change` is called whenever the state changes."""

    def __init__(self, slot: int, modules: ModuleManager, examples: ExampleStore) -> None:
        self.slot = slot
        self.terms = Terms()
        self.state = LearningState.IDLE
        self.result = LearningResult.INITIAL
        self.update: bytes | None = None
        self.instructions = 0
        self.examples = examples
        self.on_change: Callable[[], None] = lambda: None
        self._modules = modules
        self._task: asyncio.Task[None] | None = None
        self._sessions = 0

    @property
    def module(self) -> LoadedModule | None:
        """The module that learns; None where there is none."""
        module = self._modules.loaded(self.slot)
        return module if module is not None and module.descriptor.learning is not None else None

    @property
    def parameters(self) -> int:
        """How many numbers change."""
        module = self.module
        return module.descriptor.learning.parameters if module is not None and module.descriptor.learning else 0

    @property
    def seconds(self) -> float:
        """How long the processor was busy with the last session."""
        return self.instructions / self._modules.profile.clock_hz

    @property
    def joules(self) -> float:
        """What the last session took, one instruction a cycle."""
        profile = self._modules.profile
        power = ProcessorPower.of(profile.target, profile.clock_hz, profile.active_power_watts)
        return self.instructions * power.joules_per_cycle

    def begin(self) -> None:
        """Learn, in place of what is under way."""
        self.cancel()
        self._task = asyncio.create_task(self._learn(), name=f"{self._modules.profile.endpoint} learning")

    def cancel(self) -> None:
        """Stop, and forget the update."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            self._end(LearningState.IDLE, LearningResult.CANCELLED)
        self._task = None
        self.update = None

    def adopt(self) -> LearningResult:
        """Infer with the written weights from now on."""
        module = self.module
        if module is None:
            return LearningResult.NO_LEARNING_MODULE
        try:
            self._written()
        except InvalidVector:
            return LearningResult.WRONG_WEIGHTS
        self._modules.machine.learned.adopt(self._modules.payload(module), self.terms.weights)
        return LearningResult.SUCCESS

    async def stop(self) -> None:
        """End with the firmware."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _written(self) -> Floats:
        return decode_vector(self.terms.weights, self.parameters, VectorEncoding.FLOAT32)

    async def _learn(self) -> None:
        self.update, self._sessions = None, self._sessions + 1
        self._end(LearningState.LEARNING, LearningResult.INITIAL)
        try:
            result = await self._session()
        except InvalidVector:
            result = LearningResult.WRONG_WEIGHTS
        except MachineFailure as failure:
            _log.warning("learning_failed", endpoint=self._modules.profile.endpoint, reason=failure.message)
            result = LearningResult.MODULE_FAILED
        good = result is LearningResult.SUCCESS
        self._end(LearningState.READY if good else LearningState.FAILED, result)

    async def _session(self) -> LearningResult:
        module, terms, examples = self.module, self.terms, tuple(self.examples)
        if module is None:
            return LearningResult.NO_LEARNING_MODULE
        if len(examples) < MINIMUM_EXAMPLES:
            return LearningResult.TOO_FEW_EXAMPLES
        before = self._written()
        session = Session(self._modules.machine, self._modules.payload(module), module.descriptor)
        seed = self._modules.profile.seed * 1_000_003 + self._sessions
        learnt = await self._modules.machine.in_thread(
            partial(session.learn, terms.weights, examples, terms.recipe, seed)
        )
        self.instructions = learnt.instructions
        if not numpy.isfinite(learnt.parameters).all():
            return LearningResult.DIVERGED
        self.update = self._packed(module, before, learnt, len(examples))
        return LearningResult.SUCCESS

    def _packed(self, module: LoadedModule, before: Floats, learnt: Learnt, examples: int) -> bytes:
        delta = clipped(learnt.parameters - before, self.terms.clip)
        told = (examples, max(0.0, learnt.loss)) if self.terms.tells else (0, 0.0)
        return Update(self.terms.token, module.digest, *told, delta).encode(self.terms.encoding)

    def _end(self, state: LearningState, result: LearningResult) -> None:
        self.state, self.result = state, result
        self.on_change()
