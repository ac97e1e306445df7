"""Makes a zip of C99 sources, for firmware that links the model statically."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml import __version__
from lwm2m_ml.compiler.backends.c.sources import project_files
from lwm2m_ml.compiler.backends.interface import Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.native.tuning import first_design
from lwm2m_ml.compiler.targets import Target, load_target

# Kernels are written in plain C for this core; what the C is compiled for later is another matter.
_PLAIN_CORE = "x86-64"
# A zip holds the time of each file: the first that it can say, so that equal sources are equal bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class CBackend:
    """C99 sources with one header, a CMake file and a Zephyr module; no heap."""

    @property
    def declaration(self) -> Declaration:
        """What it can do."""
        return Declaration(
            name="c",
            version=__version__,
            formats=(Format.C_SOURCES,),
            summary="C99 sources to link into a firmware; any target with a C compiler",
            data_types=("int8", "int16x8", "float32"),
        )

    def build(self, request: Request) -> Payload:
        """The payload of a graph."""
        design = first_design(request.graph, load_target(_PLAIN_CORE), request.constraints.optimize)
        made = design.facts()
        return Payload(
            code=archive({name: text.encode() for name, text in project_files(design).items()}),
            format=Format.C_SOURCES,
            arena_bytes=made.arena_bytes,
            offsets=made.offsets,
            executed_on=_executed_on(request.target),
            lower_bound_arena_bytes=made.lower_bound_arena_bytes,
            layers=made.layers,
            buffers=made.buffers,
        )


def _executed_on(target: Target) -> str:
    """The core whose emulation proves the sources: the target's own where there is a compiler for it."""
    return target.core if target.can_compile and target.emulator_cpu is not None else _PLAIN_CORE


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in sorted(files):
            file.writestr(zipfile.ZipInfo(name, _NO_TIME), files[name])
    return buffer.getvalue()
