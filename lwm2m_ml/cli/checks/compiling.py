"""Whether modules can be compiled here and run on an emulated processor, and which extras are installed."""

import importlib.util
import time
from collections.abc import Iterator

from lwm2m_ml.cli.checks.finding import Finding

SOURCE = "int module_invoke(int x) { return 2 * x; }\n"
TARGET = "cortex-m4f"
ADDRESS, STACK = 0x1000_0000, 0x2000_0000
PAGE_BYTES = 4096

EXTRAS = {
    "cluster": ("nats", "PostgreSQL, NATS and compile farms"),
    "delta": ("detools", "deltas between modules"),
    "draw": ("PIL", "pictures of memory plans"),
    "fast": ("uvloop", "a faster event loop"),
    "oidc": ("joserfc", "tokens of an OIDC provider"),
    "otel": ("opentelemetry.sdk", "traces"),
    "tensorflow": ("tensorflow", "Keras models and training"),
    "wasm": ("wasmtime", "WebAssembly modules"),
}
"""Each extra, a package that it installs, and what it is for."""


def compiling() -> Iterator[Finding]:
    """Compile a function for a microcontroller, and call it there."""
    from lwm2m_ml.compiler.emulator import Machine, Region
    from lwm2m_ml.compiler.targets import load_target
    from lwm2m_ml.compiler.toolchain.build import compile_blob

    target = load_target(TARGET)
    started = time.monotonic()
    blob = compile_blob({"twice.c": SOURCE}, target)
    seconds = time.monotonic() - started
    yield Finding("toolchain", "ok", f"clang makes {len(blob.code):,} B for {TARGET} in {seconds:.1f} s")
    code = Region("code", ADDRESS, PAGE_BYTES, executable=True)
    machine = Machine(target, regions=(code, Region("stack", STACK, PAGE_BYTES)))
    machine.write(ADDRESS, blob.code)
    result = machine.call(ADDRESS + blob.entry_offset, 21, stack_top=STACK + PAGE_BYTES)
    answer = f"2 × 21 = {result.return_value} after {result.instructions} instructions"
    if result.return_value == 42:
        yield Finding("emulator", "ok", answer)
    else:
        yield Finding("emulator", "failure", answer, "Install unicorn again")
    if not machine.counts_natively:
        yield Finding("counting", "warning", "instructions are counted slowly", "Emulation works, ten times slower")


def extras() -> Iterator[Finding]:
    """Tell which optional parts are there."""
    missing = {name: purpose for name, (package, purpose) in EXTRAS.items() if not _is_installed(package)}
    present = sorted(EXTRAS.keys() - missing.keys())
    advice = "; ".join(f"for {purpose}: pip install 'lwm2m-ml[{name}]'" for name, purpose in missing.items())
    yield Finding("extras", "ok", ", ".join(present) or "none", f"Optional, {advice}" if advice else "")


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False
