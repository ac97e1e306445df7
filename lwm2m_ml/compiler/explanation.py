"""Explains a module: what each layer costs, and where the arena is fullest."""

import pathlib
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.interface import ArenaBuffer, LayerFact
from lwm2m_ml.compiler.backends.native.layer_profile import layer_instructions
from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.compilation import compile, integer_graph
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.ir import Array
from lwm2m_ml.compiler.targets import Target


@dataclass(frozen=True, slots=True)
class ExplainedLayer:
    """A layer, what it costs for the first proved input, and the bytes of the arena that are in use meanwhile."""

    fact: LayerFact
    instructions: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A module layer by layer. `peak` is the position of the layer with the most bytes in use."""

    module: CompiledModule
    layers: tuple[ExplainedLayer, ...]

    @property
    def peak(self) -> int:
        """The first layer at which the most bytes of the arena are in use."""
        return max(range(len(self.layers)), key=lambda number: (self.layers[number].live_bytes, -number))


def explain(
    model: bytes | pathlib.Path,
    target: Target,
    *,
    calibration: Array | None = None,
    optimize: str = "balanced",
    reference: str = "litert",
    precision: str = "int8",
) -> Explanation:
    """Compile a model and measure its layers one by one."""
    module = compile(
        model, target, calibration=calibration, optimize=optimize, reference=reference, precision=precision
    )
    graph, _ = integer_graph(model, calibration, reference, precision=precision)
    inputs, start = {}, 0
    for tensor in module.inputs:
        inputs[tensor.name] = module.vectors[0][0][start : start + tensor.bytes]
        start += tensor.bytes
    counts = layer_instructions(best_design(graph, target, optimize), inputs)
    return Explanation(
        module,
        tuple(
            ExplainedLayer(fact, count, live_bytes(module.buffers, step))
            for step, (fact, count) in enumerate(zip(module.layers, counts, strict=True), start=1)
        ),
    )


def live_bytes(buffers: tuple[ArenaBuffer, ...], step: int) -> int:
    """Bytes of the arena that hold something at a step; bytes that two buffers share count once."""
    intervals = sorted(
        (buffer.offset, buffer.offset + buffer.bytes)
        for buffer in buffers
        if buffer.first_use <= step <= buffer.last_use
    )
    total = reached = 0
    for start, end in intervals:
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
