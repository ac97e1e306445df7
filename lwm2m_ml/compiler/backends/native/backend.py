"""Makes native modules: kernels chosen, memory planned, C written, compiled."""

from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.base import Payload
from lwm2m_ml.compiler.backends.native.layer_profile import layer_instructions
from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.targets import Architecture, Target

ARCHITECTURES = (
    Architecture.THUMB,
    Architecture.RISCV32,
    Architecture.WASM32,
    Architecture.X86_64,
    Architecture.AARCH64,
)


@dataclass(frozen=True, slots=True)
class NativeBackend:
    """Position-independent machine code, or a WebAssembly module; all state is in the arena that the caller passes."""

    name: str = "native"
    abi: str = "1.0.0"

    def supports(self, target: Target) -> bool:
        """Whether the toolchain makes modules for the target."""
        return target.can_compile and target.architecture in ARCHITECTURES

    def build(self, graph: Graph, target: Target, optimize: str) -> Payload:
        """The payload of an int8 graph."""
        return best_design(graph, target, optimize).payload()

    def layer_instructions(
        self, graph: Graph, target: Target, optimize: str, inputs: Mapping[str, bytes]
    ) -> tuple[int, ...]:
        """Instructions that each layer of the payload takes for these inputs, measured."""
        return layer_instructions(best_design(graph, target, optimize), inputs)
