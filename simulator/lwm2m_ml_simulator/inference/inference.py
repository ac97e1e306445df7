"""Infers the sensor's stream with the module in use: one image per Inference Period, every result recorded and sent."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy
import structlog

from lwm2m_ml_simulator.device.faults import FaultInjector
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.inference.drift import DriftMonitor
from lwm2m_ml_simulator.inference.log import InferenceRecord
from lwm2m_ml_simulator.inference.statistics import LatencyStatistics, ResultStatistics
from lwm2m_ml_simulator.memory.flash import PowerCut
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager
from lwm2m_ml_simulator.modules.settings import SettingsStore
from lwm2m_ml_simulator.modules.trial import TrialSupervisor
from lwm2m_ml_simulator.processor.bit_rot import influential_offset
from lwm2m_ml_simulator.processor.machine import FloatArray, Inference, ModuleMachine, dequantise, quantise

_log = structlog.get_logger(__name__)
NO_DECISION = -1


class Sensor:
    """The outside world as the device sees it: it goes on whether the device is switched on or not."""

    def __init__(self, stream: Iterable[FloatArray]) -> None:
        self._stream: Iterator[FloatArray] = iter(stream)
        self._next = 0

    def read(self) -> tuple[int, FloatArray] | None:
        """Return the next image and its index in the stream, None at the end."""
        image = next(self._stream, None)
        if image is None:
            return None
        index, self._next = self._next, self._next + 1
        return index, numpy.asarray(image, dtype=numpy.float32)


@dataclass(frozen=True, slots=True)
class Result:
    """One decision: scores and confidence in percent."""

    number: int
    decided: int
    label: str | None
    confidence: float
    scores: tuple[float, ...]


@dataclass(slots=True)
class SlotFigures:
    """What object 42770 and 42771 show of the module in one slot since it was activated or reset."""

    digest: bytes = b""
    latency: LatencyStatistics = field(default_factory=LatencyStatistics)
    results: ResultStatistics = field(default_factory=ResultStatistics)
    last: Result | None = None
    next_number: int = 1
    drift: DriftMonitor | None = None

    @classmethod
    def of(cls, module: LoadedModule | None) -> "SlotFigures":
        """Return the figures of a module that has not run yet."""
        reference = module.descriptor.drift if module is not None else None
        return cls(module.digest if module else b"", drift=DriftMonitor(reference) if reference else None)

    def reset(self) -> None:
        """Forget counts, latencies and what inputs looked like."""
        self.latency, self.results = LatencyStatistics(), ResultStatistics()
        self.reset_drift()

    def reset_drift(self) -> None:
        """Begin the histogram anew."""
        self.drift = self.drift.emptied() if self.drift is not None else None


class InferenceEngine:
    """The device's main loop. `on_result(slot, result)` is called after each inference that went well."""

    def __init__(
        self,
        modules: ModuleManager,
        machine: ModuleMachine,
        sensor: Sensor,
        records: list[InferenceRecord],
        *,
        settings: SettingsStore,
        supervisor: TrialSupervisor,
        faults: FaultInjector,
    ) -> None:
        self.on_result: Callable[[int, Result], None] = lambda slot, result: None
        self.on_capture: Callable[[int, bytes, int], None] = lambda slot, data, number: None
        self._captures: set[int] = set()
        self._modules = modules
        self._machine = machine
        self._sensor = sensor
        self._records = records
        self._settings = settings
        self._supervisor = supervisor
        self._faults = faults
        self._figures: dict[int, SlotFigures] = {}
        self._activated = asyncio.Event()
        self._log = _log.bind(endpoint=modules.profile.endpoint)

    def figures(self, slot: int) -> SlotFigures:
        """Return the figures of a slot; they begin anew with another module."""
        module = self._modules.loaded(slot)
        digest = module.digest if module else b""
        if slot not in self._figures or self._figures[slot].digest != digest:
            self._figures[slot] = SlotFigures.of(module)
        return self._figures[slot]

    def capture_next(self, slot: int) -> None:
        """Hand the next input of a slot's module to `on_capture`."""
        self._captures.add(slot)

    def slots_changed(self) -> None:
        """Wake the loop when there is a module to run."""
        if self._modules.in_use is not None:
            self._activated.set()
        else:
            self._activated.clear()

    async def run(self) -> None:
        """Infer for as long as there are images; waits while no module is in use."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self._activated.wait()
            module = self._modules.in_use
            if module is None:
                continue
            due = max(due + self._settings.get(module.slot).inference_period_ms / 1000.0, loop.time())
            await asyncio.sleep(due - loop.time())
            try:
                if not await self.infer_next() and self._modules.in_use is not None:
                    return  # the stream has ended; a module that was taken back meanwhile is no reason to
            except PowerCut:
                return

    async def infer_next(self) -> bool:
        """Infer one image with the module in use; False at the end of the stream or without a module."""
        module = self._modules.in_use
        reading = self._sensor.read() if module is not None else None
        if module is None or reading is None:
            return False
        index, image = reading
        figures = self.figures(module.slot)
        try:
            inputs = (quantise(image, module.descriptor.inputs[0]),)
            await self._rot(module, inputs, figures.latency.inferences)
            if module.slot in self._captures:
                self._captures.discard(module.slot)
                self.on_capture(module.slot, inputs[0], figures.next_number)
            inference = await self._machine.infer(self._modules.payload(module), module.descriptor, inputs)
            self._keep(module, index, image, inference, figures)
        except MachineFailure as failure:
            figures.latency.failures += 1
            self._log.warning("inference_failed", slot=module.slot, reason=failure.message)
        drift = figures.drift.score if figures.drift is not None else None
        self._supervisor.judge(module.slot, figures.latency, drift)
        return True

    async def _rot(self, module: LoadedModule, inputs: Sequence[bytes], inferences: int) -> None:
        """Let a bit of the module rot if that is its fate."""
        rot = self._faults.rot_due(inferences)
        if rot is None:
            return
        offset = rot.payload_offset
        if offset is None:
            payload = self._modules.payload(module)
            offset = await influential_offset(self._machine, payload, module.descriptor, inputs, rot.bit)
        self._faults.flip(self._modules.payload_address(module) + offset % module.payload_bytes, rot.bit)

    def _keep(
        self, module: LoadedModule, index: int, image: FloatArray, inference: Inference, figures: SlotFigures
    ) -> None:
        self._records.append(InferenceRecord(index, inference.outputs, inference.instructions, module.digest))
        result = self._decide(module, inference, figures.next_number)
        figures.latency.add(inference.latency_ms)
        figures.next_number += 1
        figures.results.add(result.decided, image)
        if figures.drift is not None:
            figures.drift.add(image)
        figures.last = result
        self.on_result(module.slot, result)

    def _decide(self, module: LoadedModule, inference: Inference, number: int) -> Result:
        descriptor = module.descriptor
        scores = dequantise(inference.outputs[0], descriptor.outputs[0]) * numpy.float32(100.0)
        best = int(scores.argmax())
        threshold = self._settings.get(module.slot).decision_threshold
        if threshold is None:
            threshold = descriptor.threshold or 0.0
        decided = best if scores[best] >= threshold else NO_DECISION
        label = descriptor.labels[best] if decided != NO_DECISION and best < len(descriptor.labels) else None
        return Result(number, decided, label, float(scores[best]), tuple(float(score) for score in scores))
