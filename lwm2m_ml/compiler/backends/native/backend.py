"""Makes native modules: kernels chosen, memory planned, C written, compiled."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.base import LayerFact, Payload
from lwm2m_ml.compiler.backends.native.arena import Arena, Step
from lwm2m_ml.compiler.backends.native.fusion import fuse_where_it_saves
from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_dsp
from lwm2m_ml.compiler.backends.native.program import ENTRY, Program
from lwm2m_ml.compiler.backends.native.selection import select
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.targets import Architecture, Target
from lwm2m_ml.compiler.toolchain import compile_blob

# Kernels that read whole words may read, and ignore, so many bytes behind a tensor.
READ_AHEAD_BYTES = 3
ARCHITECTURES = (
    Architecture.THUMB,
    Architecture.RISCV32,
    Architecture.WASM32,
    Architecture.X86_64,
    Architecture.AARCH64,
)


@dataclass(frozen=True, slots=True)
class NativeBackend:
    """Position-independent machine code, entry first, all state in the arena that the caller passes."""

    name: str = "native"
    format: str = "native-pic"
    abi: str = "1.0.0"

    def supports(self, target: Target) -> bool:
        """Whether the toolchain makes position-independent code for the target."""
        return target.can_compile and target.architecture in ARCHITECTURES

    def build(self, graph: Graph, target: Target, optimize: str) -> Payload:
        """The payload of an int8 graph."""
        steps, arena = fuse_where_it_saves(graph, select(graph, target, optimize))
        program = generate(steps, arena)
        blob = compile_blob(program.sources(), target, optimize=_file_optimizations(target, optimize), entry=ENTRY)
        return Payload(
            code=blob.code,
            arena_bytes=-(-(arena.plan.arena_bytes + READ_AHEAD_BYTES) // 16) * 16,
            lower_bound_arena_bytes=arena.plan.lower_bound_bytes,
            offsets={name: arena.offset(name) for name in (*graph.inputs, *graph.outputs)},
            layers=tuple(_fact(step, arena) for step in steps),
        )


def _file_optimizations(target: Target, optimize: str) -> dict[str, str]:
    """Where the inner loops are assembly, the C around them had better be small."""
    small = optimize == "balanced" and has_dsp(target)
    return {"module.c": "size" if small else optimize}


def generate(steps: tuple[Step, ...], arena: Arena) -> Program:
    """The program of a module: each step's call in order."""
    program = Program()
    for step in steps:
        statement = step.kernel.emit(step.layer, program, arena.places(step, program))
        if statement:
            program.call(statement)
    return program


def _fact(step: Step, arena: Arena) -> LayerFact:
    layer = step.layer
    return LayerFact(
        operation=layer.operation.name,
        kind=layer.operation.kind_name,
        kernel=step.kernel.name,
        macs=layer.macs,
        weight_bytes=layer.weight_bytes,
        scratch_bytes=step.kernel.scratch_bytes(layer),
        result_offset=arena.offset(layer.result.name),
    )
