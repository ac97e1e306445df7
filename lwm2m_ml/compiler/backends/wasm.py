"""Makes WebAssembly modules, for every device with a WebAssembly runtime, whatever its processor."""

from dataclasses import dataclass, replace

from lwm2m_ml.compiler.backends.interface import Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain.zig import zig_version

_CORE = "wasm32"


@dataclass(frozen=True, slots=True)
class WasmBackend:
    """A module of WebAssembly's MVP without imports; `docs/compiler.md` tells what a runtime must offer."""

    @property
    def declaration(self) -> Declaration:
        """What it can do."""
        return Declaration(
            name="wasm",
            version=f"zig {zig_version()}",
            formats=(Format.WASM,),
            summary="portable, for devices with a WebAssembly runtime; slower than native code",
            data_types=("int8", "int16x8", "float32"),
        )

    def build(self, request: Request) -> Payload:
        """The payload of a graph."""
        made = best_design(request.graph, load_target(_CORE), request.constraints.optimize).payload()
        return replace(made, executed_on=_CORE)
