"""Makes native modules: kernels chosen, memory planned, C written, compiled."""

from dataclasses import dataclass

from lwm2m_ml.compiler.backends.interface import Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.native.design import divided
from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.targets import Architecture
from lwm2m_ml.compiler.toolchain.gcc import gcc_version
from lwm2m_ml.compiler.toolchain.zig import zig_version

ARCHITECTURES = (Architecture.THUMB, Architecture.RISCV32, Architecture.X86_64, Architecture.AARCH64)


def toolchain_version() -> str:
    """The compilers that may have made a module: what is installed decides, so it belongs to every build's key."""
    second = gcc_version()
    return f"zig {zig_version()}" + (f", gcc {second}" if second else "")


@dataclass(frozen=True, slots=True)
class NativeBackend:
    """Position-independent machine code; all state is in the arena that the caller passes."""

    @property
    def declaration(self) -> Declaration:
        """What it can do."""
        return Declaration(
            name="native",
            version=toolchain_version(),
            formats=(Format.NATIVE,),
            summary="position-independent machine code, one file for each core",
            architectures=ARCHITECTURES,
            data_types=("int8", "int16x8", "float32"),
        )

    def build(self, request: Request) -> Payload:
        """The payload of a graph."""
        design = best_design(request.graph, request.target, request.constraints.optimize)
        return divided(design, request.target.ram_regions).payload()
