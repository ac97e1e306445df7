"""The device's main loop: every module in use infers what its inputs are linked to, every result is recorded and sent.

A module whose inputs come from others (their results, or a resource that they write) infers after them; all others do
once in every Inference Period. One core does it all, one inference after the other.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy
import structlog

from lwm2m_ml.lwm2m.model_wiring import Wiring
from lwm2m_ml_simulator.device.faults import FaultInjector
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.inference.channels import split
from lwm2m_ml_simulator.inference.figures import Result, SlotFigures, decide
from lwm2m_ml_simulator.inference.links import Links
from lwm2m_ml_simulator.inference.log import InferenceRecord
from lwm2m_ml_simulator.inference.order import Order
from lwm2m_ml_simulator.inference.sensor import Sensor, SharedSensor
from lwm2m_ml_simulator.inference.series import SeriesCounter
from lwm2m_ml_simulator.inference.wired import Given, SensorEnded, WiredModule
from lwm2m_ml_simulator.memory.flash import PowerCut
from lwm2m_ml_simulator.modules.modules import LoadedModule, ModuleManager
from lwm2m_ml_simulator.modules.settings import SettingsStore
from lwm2m_ml_simulator.modules.trial import TrialSupervisor
from lwm2m_ml_simulator.processor.bit_rot import influential_offset
from lwm2m_ml_simulator.processor.machine import FloatArray, ModuleMachine, dequantise, quantise

_log = structlog.get_logger(__name__)


class InferenceEngine:
    """`on_result(slot, result)` is called after each inference that made one; `links` must be set before the first."""

    links: Links

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
        series: SeriesCounter,
    ) -> None:
        self.on_result: Callable[[int, Result], None] = lambda slot, result: None
        self.on_capture: Callable[[int, bytes, str], None] = lambda slot, data, description: None
        self._captures: set[int] = set()
        self._modules = modules
        self._machine = machine
        self._sensor = SharedSensor(sensor)
        self._records = records
        self._settings = settings
        self._supervisor = supervisor
        self._faults = faults
        self._series = series
        self._figures: dict[int, SlotFigures] = {}
        self._due: dict[int, float] = {}
        self._seen: dict[int, Given] = {}
        self._ended: set[int] = set()
        self._known_order: tuple[dict[int, Wiring], Order] = ({}, Order({}))
        self._changed = asyncio.Event()
        self._log = _log.bind(endpoint=modules.profile.endpoint)

    def figures(self, slot: int) -> SlotFigures:
        """Return the figures of a slot; they begin anew with another module."""
        module = self._modules.loaded(slot)
        digest = module.digest if module else b""
        if slot not in self._figures or self._figures[slot].digest != digest:
            self._figures[slot] = SlotFigures.of(module)
        return self._figures[slot]

    def outputs(self, slot: int) -> FloatArray | None:
        """What the module in a slot put out last, in real values; None before its first inference."""
        outputs = self.figures(slot).outputs
        return outputs[0] if outputs else None

    def capture_next(self, slot: int) -> None:
        """Hand the next input of a slot's module to `on_capture`."""
        self._captures.add(slot)

    def slots_changed(self) -> None:
        """Look anew at what runs, and how it is wired."""
        running = {module.slot for module in self._modules.running}
        self._due = {slot: due for slot, due in self._due.items() if slot in running}
        self._changed.set()

    async def run(self) -> None:
        """Infer for as long as the device has power."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            slot = self._next(loop.time())
            if slot is None:
                await self._changed.wait()
                continue
            if await self._changed_within(self._due[slot] - loop.time()):
                continue
            try:
                await self.infer(slot)
            except PowerCut:
                return
            period = self._settings.get(slot).inference_period_ms / 1000.0
            self._due[slot] = max(self._due.get(slot, 0.0) + period, loop.time())

    async def infer(self, slot: int) -> None:
        """Infer with the module in a slot, and then with those that follow it, where there is something new."""
        order = self._order()
        fresh = {slot} if await self._infer(slot) else set[int]()
        for follower in order.followers(slot) if fresh else ():
            if order.waits_for(follower, fresh) and await self._infer(follower):
                fresh.add(follower)

    def _next(self, now: float) -> int | None:
        """Return the slot whose turn is next, None when there is none."""
        leaders = [slot for slot in self._order().leaders if slot not in self._ended]
        for slot in leaders:
            self._due.setdefault(slot, now)
        return min(leaders, key=self._due.__getitem__, default=None)

    async def _changed_within(self, seconds: float) -> bool:
        if seconds <= 0.0:
            await asyncio.sleep(0)
            return self._changed.is_set()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        return self._changed.is_set()

    def _order(self) -> Order:
        wirings = {module.slot: self._wired(module).wiring for module in self._modules.running}
        if self._known_order[0] != wirings:
            self._known_order = (wirings, Order(wirings))
        return self._known_order[1]

    def _wired(self, module: LoadedModule) -> WiredModule:
        wiring = self._modules.configurations.wiring(module.slot, module.seen, module.digest)
        return WiredModule(module.slot, module.seen, wiring, self.links)

    async def _infer(self, slot: int) -> bool:
        """Infer once if the module is to; tells whether there is something new for others."""
        module = next((module for module in self._modules.running if module.slot == slot), None)
        if module is None:
            return False
        wired = self._wired(module)
        given = self._given(wired)
        figures = self.figures(slot)
        if given is None:
            return False
        if not wired.is_wanted(given):
            figures.withheld += 1
            return False
        fresh = False
        try:
            tensors = wired.tensors(given)
            if tensors is None:
                return False
            fresh = await self._run(wired, module, given, tensors)
        except MachineFailure as failure:
            figures.latency.failures += 1
            self._log.warning("inference_failed", slot=slot, reason=failure.message)
        drift = figures.drift.score if figures.drift is not None else None
        self._supervisor.judge(slot, figures.latency, drift)
        return fresh

    def _given(self, wired: WiredModule) -> Given | None:
        """Return what a module is given; None at the end of the stream, and where nothing has changed."""
        others = [module.slot for module in self._modules.running if module.slot != wired.slot]
        try:
            given = wired.gather(lambda: self._sensor.read(wired.slot, others))
        except SensorEnded:
            self._ended.add(wired.slot)
            return None
        unchanged = not wired.wiring.condition and given.equals(self._seen.get(wired.slot))
        self._seen[wired.slot] = given
        return None if unchanged else given

    async def _run(self, wired: WiredModule, module: LoadedModule, given: Given, tensors: Sequence[FloatArray]) -> bool:
        descriptor, figures = module.seen, self.figures(module.slot)
        inputs = [quantise(values, tensor) for values, tensor in zip(tensors, descriptor.inputs, strict=True)]
        await self._rot(module, inputs, figures.latency.inferences)
        if module.slot in self._captures:
            self._captures.discard(module.slot)
            number = f"result {figures.next_number} of series {self._series_of(figures)}"
            self.on_capture(module.slot, inputs[0], number)
        inference = await self._machine.infer(self._modules.payload(module), module.descriptor, inputs)
        self._records.append(InferenceRecord(given.frame, inference.outputs, inference.instructions, module.digest))
        own_outputs = zip(inference.outputs, descriptor.outputs, strict=module.descriptor.learning is None)
        outputs = [dequantise(data, tensor) for data, tensor in own_outputs]
        own, written = wired.put_out(given, outputs)
        figures.latency.add(inference.latency_ms)
        figures.outputs = tuple(outputs)
        if figures.drift is not None:
            figures.drift.add(tensors[0])
        if own is not None:
            self._decided(module, own, tensors[0])
        return written or own is not None

    def _decided(self, module: LoadedModule, outputs: FloatArray, values: FloatArray) -> None:
        """Make a result of an output, and tell of it."""
        figures, threshold = self.figures(module.slot), self._settings.get(module.slot).decision_threshold
        if threshold is None:
            threshold = module.descriptor.threshold or 0.0
        if numpy.isnan(outputs).any():
            raise MachineFailure("the transform of an output is not a number")
        scores = outputs * numpy.float32(100.0)
        series = self._series_of(figures)
        result = decide(scores, module.descriptor.labels, threshold, number=figures.next_number, series=series)
        figures.next_number += 1
        reference = module.descriptor.drift
        figures.results.add(result.decided, split(values, len(reference.means) if reference else 1))
        figures.last = result
        self.on_result(module.slot, result)

    def _series_of(self, figures: SlotFigures) -> int:
        """Return the series of a module's results, which begins with the first of them."""
        figures.series = figures.series or self._series.begin()
        return figures.series

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
