"""Links a WebAssembly module: no imports, its own memory, the entry as an export.

The linear memory holds the stack from address 0 (so that an overflow traps), then constants; the arena is the caller's
to place at `__heap_base`, rounded up to 16, growing the memory as needed.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.compiler.toolchain.cache import cached_file, digest_of
from lwm2m_ml.compiler.toolchain.errors import ToolchainError
from lwm2m_ml.compiler.toolchain.runtime_library import in_zig_library, own_objects, zig_library
from lwm2m_ml.compiler.toolchain.zig import run_zig, zig_version

STACK_BYTES = 4096
HEAP_BASE = "__heap_base"
MEMORY = "memory"
_UNDEFINED = re.compile(r"undefined symbol: (\w+)")


def link_webassembly(objects: Sequence[Path], entry: str, target: Target) -> bytes:
    """Link object files to one module; what nothing reaches from the entry is left out."""
    inputs = [*objects, *own_objects(target)]
    try:
        return _link(inputs, entry)
    except ToolchainError as error:
        missing = _UNDEFINED.findall(error.message)
        if not missing or not all(map(in_zig_library, missing)):
            raise
        return _link([*inputs, zig_library(target)], entry)


def _link(inputs: Sequence[Path], entry: str) -> bytes:
    flags = (
        "--no-entry",
        f"--export={entry}",
        f"--export={HEAP_BASE}",
        "--gc-sections",
        "--strip-all",
        "--stack-first",
        "-z",
        f"stack-size={STACK_BYTES}",
    )

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
            work = Path(directory)
            run_zig(["wasm-ld", *flags, "-o", "out.wasm", *map(str, inputs)], directory=work)
            path.write_bytes((work / "out.wasm").read_bytes())

    digest = digest_of([zig_version(), *flags, *(path.name for path in inputs)])
    return cached_file("linked", digest, ".wasm", make).read_bytes()
