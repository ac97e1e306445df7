"""One way to build a module: which kernel for which layer, where everything lies, how the C is compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lwm2m_ml.compiler.backends.interface import ArenaBuffer, Format, LayerFact, Payload
from lwm2m_ml.compiler.backends.native.arena import Arena, Step
from lwm2m_ml.compiler.backends.native.program import ENTRY, Program
from lwm2m_ml.compiler.errors import ArenaDoesNotFit
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.memory import plan_banks
from lwm2m_ml.compiler.targets import Architecture, Target
from lwm2m_ml.compiler.toolchain import Blob, compile_blob
from lwm2m_ml.compiler.toolchain.sources import ZIG

# Kernels that read whole words may read, and ignore, so many bytes behind a tensor.
READ_AHEAD_BYTES = 3
_ARENA_ALIGNMENT = 16
# A module whose arena is in pieces takes them as further arguments: a newer interface than most modules need.
ABI, BANKED_ABI = "1.0.0", "1.1.0"
# As many pieces as all cores pass in registers.
_MAXIMUM_BANKS = 4


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
        """What the caller must set aside, in all pieces."""
        if self.arena.bank_bytes:
            return sum(self.arena.bank_bytes)
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
            bank_bytes=self.arena.bank_bytes,
            abi=ABI if not self.arena.bank_bytes else BANKED_ABI,
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


def divided(design: Design, regions: tuple[int, ...]) -> Design:
    """The design with its arena divided over regions of RAM where none of them holds it; raises ArenaDoesNotFit."""
    if not regions or design.arena_bytes <= max(regions):
        return design
    arena = design.arena
    # What is read behind a tensor must be there in every piece, and pieces begin where a tensor may.
    rooms = [(size - READ_AHEAD_BYTES) // _ARENA_ALIGNMENT * _ARENA_ALIGNMENT for size in regions[:_MAXIMUM_BANKS]]
    banks = plan_banks(arena.buffers, rooms, in_place=arena.pairs)
    if banks is None:
        raise ArenaDoesNotFit(
            f"The module needs {design.arena_bytes:,} B of RAM, the regions of {design.target.name} have "
            + ", ".join(f"{size:,} B" for size in regions),
            hint="Try a smaller model, or --optimize size",
        )
    bases: list[int] = []
    sizes: list[int] = []
    for bank in banks:
        bases.append(sum(sizes))
        sizes.append(-(-(bank.plan.arena_bytes + READ_AHEAD_BYTES) // _ARENA_ALIGNMENT) * _ARENA_ALIGNMENT)
    placed = zip(banks, bases, strict=True)
    offsets = {name: base + offset for bank, base in placed for name, offset in bank.plan.offsets.items()}
    plan = replace(arena.plan, offsets=offsets, arena_bytes=sum(sizes), exact=False)
    return replace(design, arena=replace(arena, plan=plan, bank_bytes=tuple(sizes)))


def generate(steps: tuple[Step, ...], arena: Arena) -> Program:
    """The program of a module: each step's call in order."""
    program = Program(arenas=max(1, len(arena.bank_bytes)))
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
