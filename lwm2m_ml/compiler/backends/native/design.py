"""One way to build a module: which kernel for which layer, where everything lies, how the C is compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lwm2m_ml.compiler.backends.interface import ArenaBuffer, Format, LayerFact, Payload
from lwm2m_ml.compiler.backends.native.arena import Arena, Step
from lwm2m_ml.compiler.backends.native.program import ENTRY, Program
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.targets import Architecture, Target
from lwm2m_ml.compiler.toolchain import Blob, compile_blob
from lwm2m_ml.compiler.toolchain.sources import ZIG

# Kernels that read whole words may read, and ignore, so many bytes behind a tensor.
READ_AHEAD_BYTES = 3
_ARENA_ALIGNMENT = 16


@dataclass(frozen=True)
class Design:
    """Everything that determines a module's bytes. `c_compiler` makes the C, `c_optimization` is how."""

    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    arena: Arena
    c_optimization: str
    c_compiler: str = ZIG

    @property
    def arena_bytes(self) -> int:
        """What the caller must set aside."""
        return -(-(self.arena.plan.arena_bytes + READ_AHEAD_BYTES) // _ARENA_ALIGNMENT) * _ARENA_ALIGNMENT

    @property
    def offsets(self) -> Mapping[str, int]:
        """Where inputs and outputs lie in the arena."""
        return {name: self.arena.offset(name) for name in (*self.graph.inputs, *self.graph.outputs)}

    def sources(self) -> dict[str, str]:
        """The C and assembly of the module."""
        return generate(self.steps, self.arena).sources()

    def compile(self, sources: Mapping[str, str]) -> Blob:
        """The machine code of these sources."""
        return compile_blob(
            sources,
            self.target,
            optimize={"module.c": self.c_optimization},
            entry=ENTRY,
            c_compiler=self.c_compiler,
        )

    def payload(self) -> Payload:
        """The module and its facts."""
        return replace(self.facts(), code=self.compile(self.sources()).code)

    def facts(self) -> Payload:
        """What is known before anything is compiled; the code is empty."""
        wasm = self.target.architecture is Architecture.WASM32
        return Payload(
            code=b"",
            format=Format.WASM if wasm else Format.NATIVE,
            arena_bytes=self.arena_bytes,
            lower_bound_arena_bytes=self.arena.plan.lower_bound_bytes,
            offsets=self.offsets,
            layers=tuple(_layer_fact(step, self.arena) for step in self.steps),
            buffers=tuple(
                ArenaBuffer(
                    buffer.name,
                    self.arena.plan.offsets[buffer.name],
                    buffer.size,
                    buffer.first_use,
                    min(buffer.last_use, len(self.steps)),
                )
                for buffer in self.arena.buffers
            ),
        )


def generate(steps: tuple[Step, ...], arena: Arena) -> Program:
    """The program of a module: each step's call in order."""
    program = Program()
    for step in steps:
        statement = step.kernel.emit(step.layer, program, arena.places(step, program))
        if statement:
            program.call(statement)
    return program


def _layer_fact(step: Step, arena: Arena) -> LayerFact:
    layer = step.layer
    return LayerFact(
        operation=layer.operation.name,
        kind=layer.operation.kind_name,
        kernel=step.kernel.name,
        result_shape=layer.result.shape,
        macs=layer.macs,
        weight_bytes=layer.weight_bytes,
        scratch_bytes=step.kernel.scratch_bytes(layer),
        result_offset=arena.offset(layer.result.name),
    )
