"""Makes a zip of C99 sources, for firmware that links the model statically."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from lwm2m_ml import __version__
from lwm2m_ml.compiler.backends.c.sources import SOURCE, project_files
from lwm2m_ml.compiler.backends.interface import Basis, Cost, Declaration, Format, Payload, Request
from lwm2m_ml.compiler.backends.native.tuning import first_design
from lwm2m_ml.compiler.emulator.open import executor_of
from lwm2m_ml.compiler.targets import Target, load_target
from lwm2m_ml.compiler.toolchain import xtensa

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
        files = project_files(design)
        return Payload(
            code=archive({name: text.encode() for name, text in files.items()}),
            format=Format.C_SOURCES,
            cost=_cost(files, request.target) if xtensa.serves(request.target) else None,
            arena_bytes=made.arena_bytes,
            offsets=made.offsets,
            executed_on=_executed_on(request.target),
            lower_bound_arena_bytes=made.lower_bound_arena_bytes,
            layers=made.layers,
            buffers=made.buffers,
        )


def _executed_on(target: Target) -> str:
    """The core whose emulation proves the sources: the target's own where one can be compiled for and executed."""
    return target.core if target.can_compile and executor_of(target) is not None else _PLAIN_CORE


def _cost(files: Mapping[str, str], target: Target) -> Cost:
    """What the sources take on a core that can be compiled for and not executed."""
    sources = {name.rsplit("/", 1)[-1]: text for name, text in files.items() if name.endswith((".c", ".h"))}
    return Cost(
        basis=Basis.ESTIMATED,
        source=f"flash by {xtensa.PROGRAM} {xtensa.xtensa_version()} for {target.core}",
        flash_bytes=xtensa.code_bytes(sources, SOURCE),
    )


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in sorted(files):
            file.writestr(zipfile.ZipInfo(name, _NO_TIME), files[name])
    return buffer.getvalue()
