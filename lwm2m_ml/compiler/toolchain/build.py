"""Sources in, one flat blob out: compile, link at address 0, check, cut out."""

import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from lwm2m_ml.compiler.isa_check import check_instructions
from lwm2m_ml.compiler.targets import Architecture, Target
from lwm2m_ml.compiler.toolchain.blob import Blob, flatten
from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.compiler.toolchain.elf import ElfFile
from lwm2m_ml.compiler.toolchain.errors import ToolchainError
from lwm2m_ml.compiler.toolchain.runtime_library import libraries_for
from lwm2m_ml.compiler.toolchain.sources import ZIG, Source, compile_objects
from lwm2m_ml.compiler.toolchain.webassembly import link_webassembly
from lwm2m_ml.compiler.toolchain.zig import run_zig, zig_version

DEFAULT_ENTRY = "module_invoke"


def compile_blob(
    sources: Mapping[str, str],
    target: Target,
    *,
    optimize: str | Mapping[str, str] = "balanced",
    entry: str = DEFAULT_ENTRY,
    c_compiler: str = ZIG,
) -> Blob:
    """Compile C (`.c`) and assembly (`.S`) files, with the headers (`.h`) among them, to one blob for the target.

    `entry` is the global function that ends up at offset 0. `optimize` is `size`, `balanced` or `speed`, for all files
    or by file name. `c_compiler` is `zig`, or `gcc` where one is installed that makes code for the target. For
    WebAssembly the code is a module of that format instead, without symbols and ranges.

    The same arguments give the same bytes on every machine. Raises `ToolchainError` with the compiler's first lines,
    `NotPositionIndependent`, `InstructionSetError`, or `MissingToolError`.
    """
    headers = {name: text for name, text in sources.items() if name.endswith(".h")}
    files = [
        Source(
            name,
            text,
            optimize if isinstance(optimize, str) else optimize.get(name, "balanced"),
            compiler=c_compiler if name.endswith(".c") else ZIG,
        )
        for name, text in sorted(sources.items())
        if name not in headers
    ]
    if not files:
        raise ToolchainError("There is nothing to compile")
    objects = compile_objects(files, headers, target)
    if target.architecture is Architecture.WASM32:
        return Blob(link_webassembly(objects, entry, target), entry_offset=0, symbols={}, code_ranges=())
    elf = ElfFile(_link([*objects, *libraries_for(objects, target)], entry).read_bytes())
    blob = flatten(elf, entry)
    check_instructions(blob.code, blob.code_ranges, target)
    return blob


def _link(inputs: list[Path], entry: str) -> Path:
    script = (resources.files(__package__) / "module.ld").read_text("utf-8").replace("ENTRY_SECTION", f".text.{entry}")
    flags = ("--gc-sections", "--emit-relocs", "--build-id=none", "--no-undefined", f"--entry={entry}", "-static")
    # Cached inputs are named by their digests, so names and order say everything about the result.
    digest = digest_of([zig_version(), script, *flags, *(path.name for path in inputs)])

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
            work = Path(directory)
            (work / "module.ld").write_text(script, "utf-8")
            arguments = ["ld.lld", *flags, "-T", "module.ld", "-o", "out.elf", *map(str, inputs)]
            run_zig(arguments, directory=work)
            path.write_bytes((work / "out.elf").read_bytes())

    return cached_file("linked", digest, ".elf", make)
