"""Makes native modules of trees and small perceptrons with emlearn's generators (MIT licence), an optional extra."""

import importlib.metadata
from dataclasses import dataclass

from lwm2m_ml.compiler.backends.emlearn.steps import KINDS, steps_of
from lwm2m_ml.compiler.backends.interface import Declaration, Format, Payload, Request
from lwm2m_ml.compiler.targets import Architecture
from lwm2m_ml.compiler.toolchain import compile_blob
from lwm2m_ml.compiler.toolchain.zig import zig_version
from lwm2m_ml.errors import MissingExtraError

_ARCHITECTURES = (Architecture.THUMB, Architecture.RISCV32, Architecture.X86_64, Architecture.AARCH64)
_ARENA_ALIGNMENT = 16


def _version() -> str:
    try:
        return importlib.metadata.version("emlearn")
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError("emlearn", "emlearn") from None


@dataclass(frozen=True, slots=True)
class EmlearnBackend:
    """Float32 models: decision trees as nested conditions, perceptrons as loops."""

    @property
    def declaration(self) -> Declaration:
        """What it can do; raises MissingExtraError."""
        return Declaration(
            name="emlearn",
            version=f"emlearn {_version()}, zig {zig_version()}",
            formats=(Format.NATIVE,),
            summary="trees and small perceptrons, float32",
            architectures=_ARCHITECTURES,
            operators=KINDS,
            data_types=("float32",),
        )

    def build(self, request: Request) -> Payload:
        """The payload of a chain of trees, layers and functions."""
        _version()
        from lwm2m_ml.compiler.backends.emlearn.sources import ENTRY, sources  # noqa: PLC0415 - an extra

        graph = request.graph
        given, answered = graph.inputs[0], graph.outputs[0]
        files, result, arena = sources(steps_of(graph), graph.tensor(given).elements)
        code = compile_blob(files, request.target, optimize=request.constraints.optimize, entry=ENTRY).code
        return Payload(
            code=code,
            format=Format.NATIVE,
            arena_bytes=-(-arena // _ARENA_ALIGNMENT) * _ARENA_ALIGNMENT,
            offsets={given: 0, answered: result},
        )
