"""Compiles single source files to object files, by content, once."""

import re
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lwm2m_ml.compiler.targets import Architecture, Target
from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.compiler.toolchain.errors import ToolchainError
from lwm2m_ml.compiler.toolchain.gcc import gcc_flags, gcc_version, run_gcc
from lwm2m_ml.compiler.toolchain.zig import run_zig, zig_version
from lwm2m_ml.errors import UsageError

ZIG, GCC = "zig", "gcc"
OPTIMIZATIONS: Mapping[str, str] = {"size": "-Os", "balanced": "-O2", "speed": "-O3"}

# Part of every digest; to be raised when the toolchain produces other bytes from the same arguments.
_FORMAT = "1"
_SOURCE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\.(c|S|h)")
_MAX_SOURCE_BYTES = 64 * 1024 * 1024
_WORKERS = 2

_COMMON_FLAGS = (
    "-std=c11",
    "-g0",
    "-w",
    "-ffreestanding",
    "-fno-sanitize=all",
    "-fomit-frame-pointer",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-strict-aliasing",
    # The same sums on every core: no fused multiply-add where the source says multiply, then add.
    "-ffp-contract=off",
    "-ffunction-sections",
    "-fdata-sections",
    "-fvisibility=hidden",
    "-nostdlib",
)
# Code that finds its constants relative to the program counter: Arm calls it read-only position independence.
_POSITION_INDEPENDENT: Mapping[Architecture, tuple[str, ...]] = {
    Architecture.THUMB: ("-fropi",),
    Architecture.RISCV32: ("-fPIC",),
    Architecture.X86_64: ("-fPIC", "-mno-red-zone"),
    Architecture.AARCH64: ("-fPIC", "-mcmodel=tiny"),
    # WebAssembly has no addresses of code, and constants where the linker puts them.
    Architecture.WASM32: (),
}


# GCC finds functions of other files through a table of addresses, unless it is told that they are in the same module.
_GCC_PREFIX = "#pragma GCC visibility push(hidden)\n"


@dataclass(frozen=True, slots=True)
class Source:
    """One file to compile, with its optimisation, any further flags, and who compiles it."""

    name: str
    text: str
    optimize: str
    flags: tuple[str, ...] = ()
    compiler: str = ZIG


def compile_objects(sources: Iterable[Source], headers: Mapping[str, str], target: Target) -> list[Path]:
    """Compile each source for the target and return the object files, in the same order."""
    if target.architecture not in _POSITION_INDEPENDENT or not target.can_compile:
        raise UsageError(f"The built-in toolchain makes no machine code for {target.name} ({target.title})")
    listed = list(sources)
    for name, text in [(source.name, source.text) for source in listed] + list(headers.items()):
        _check_name(name, text)
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        return list(pool.map(lambda source: _compile_object(source, headers, target), listed))


def _compile_object(source: Source, headers: Mapping[str, str], target: Target) -> Path:
    gcc = source.compiler == GCC
    flags = (
        *(gcc_flags(target) if gcc else (*target.compiler_flags, *_POSITION_INDEPENDENT[target.architecture])),
        *_COMMON_FLAGS,
        _optimization_flag(source.optimize),
        *source.flags,
    )
    parts = [_FORMAT, f"gcc {gcc_version()}" if gcc else zig_version(), *flags, source.name, source.text]
    for name in sorted(headers):
        parts += [name, headers[name]]

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
            work = Path(directory)
            text = _GCC_PREFIX + source.text if gcc else source.text
            for name, content in {**headers, source.name: text}.items():
                (work / name).write_text(content, "utf-8", newline="\n")
            # Relative names only: the directory's own name must not reach the object file.
            arguments = [*flags, "-c", source.name, "-o", "out.o"]
            run_gcc(arguments, directory=work) if gcc else run_zig(["cc", *arguments], directory=work)
            path.write_bytes((work / "out.o").read_bytes())

    return cached_file("objects", digest_of(parts), ".o", make)


def _optimization_flag(optimize: str) -> str:
    try:
        return OPTIMIZATIONS[optimize]
    except KeyError:
        raise UsageError(f"Cannot optimise for {optimize!r}; choose {', '.join(OPTIMIZATIONS)}") from None


def _check_name(name: str, text: str) -> None:
    if not _SOURCE_NAME.fullmatch(name):
        raise ToolchainError(f"{name[:100]!r} is no name for a source file")
    if len(text) > _MAX_SOURCE_BYTES:
        raise ToolchainError(f"The source file {name} is larger than {_MAX_SOURCE_BYTES} bytes")
