"""Functions that compiled code may call without naming them: integer helpers of our own, zig's library for the rest.

Building zig's library takes seconds per target, and integer modules need only a handful of its functions. So those are
ours, compiled in milliseconds and only when something calls them; soft floating point comes from zig's.
"""

import re
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.compiler.toolchain.elf import ElfFile
from lwm2m_ml.compiler.toolchain.sources import Source, compile_objects
from lwm2m_ml.compiler.toolchain.zig import run_zig, zig_directory, zig_version

_SOURCES = ("integer.c", "memory.c")
# A loop that copies bytes must not become a call of memcpy inside memcpy.
_FLAGS = ("-fno-builtin",)
# What zig's library may define: the compiler's own names, and elementary functions.
_IN_ZIG_LIBRARY = re.compile(
    r"__\w+|(ceil|cos|exp|exp2|fabs|floor|fma|fmax|fmin|fmod|log|log10|log2|round|sin|sincos|sqrt|tan|trunc)f?"
)


def libraries_for(objects: Iterable[Path], target: Target) -> list[Path]:
    """Object files and archives to link so that nothing that `objects` call is missing."""
    undefined: set[str] = set()
    defined: set[str] = set()
    for path in objects:
        elf = ElfFile(path.read_bytes())
        undefined |= elf.undefined
        defined |= elf.defined
    missing = undefined - defined
    libraries: list[Path] = []
    if missing:
        own = own_objects(target)
        names = frozenset[str]().union(*(ElfFile(path.read_bytes()).defined for path in own))
        if missing & names:
            libraries += own
            missing -= names
    if any(map(in_zig_library, missing)):
        libraries.append(zig_library(target))
    return libraries


def in_zig_library(name: str) -> bool:
    """Tell whether zig's library may define a name."""
    return _IN_ZIG_LIBRARY.fullmatch(name) is not None


def own_objects(target: Target) -> list[Path]:
    """Our own helpers, compiled for the target."""
    return compile_objects([Source(name, text, "balanced", _FLAGS) for name, text in _source_texts()], {}, target)


@cache
def _source_texts() -> tuple[tuple[str, str], ...]:
    directory = resources.files(__package__) / "runtime"
    return tuple((name, (directory / name).read_text("utf-8")) for name in _SOURCES)


def zig_library(target: Target) -> Path:
    """Build zig's compiler-rt for the target: seconds, once per target and machine."""
    flags = (*target.compiler_flags, "-OReleaseSmall", "-fPIC", "-ffunction-sections", "-fno-unwind-tables")
    root = zig_directory() / "lib" / "compiler_rt.zig"

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
            work = Path(directory)
            arguments = ["build-lib", str(root), *flags, "-femit-bin=library.a", "--name", "compiler_rt"]
            run_zig(arguments, directory=work)
            path.write_bytes((work / "library.a").read_bytes())

    return cached_file("libraries", digest_of([zig_version(), *flags]), ".a", make)
