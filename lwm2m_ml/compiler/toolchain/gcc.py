"""Arm's GCC, where it is installed: a second compiler for Cortex-M, whose result is taken when it is the better one."""

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lwm2m_ml.compiler.targets import Architecture, Target
from lwm2m_ml.compiler.toolchain.errors import ToolchainError
from lwm2m_ml.errors import MissingToolError

PROGRAM = "arm-none-eabi-gcc"
_TIMEOUT_SECONDS = 300
_SHOWN_CHARACTERS = 2000
_FPUS = ("fpv5-d16", "fpv5-sp-d16", "fpv4-sp-d16")
# Constants are found relative to the program counter, without a table of addresses.
_POSITION_INDEPENDENT = ("-fPIE", "-mpic-data-is-text-relative", "-fno-jump-tables")


@cache
def gcc_version() -> str | None:
    """The version of the installed compiler; None when there is none that answers."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-dumpfullversion"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def serves(target: Target) -> bool:
    """Whether the installed compiler makes code for a target."""
    return target.architecture is Architecture.THUMB and target.can_compile and gcc_version() is not None


def gcc_flags(target: Target) -> tuple[str, ...]:
    """The flags that choose a core, its floating-point unit and its calling convention."""
    cpu = next(flag for flag in target.compiler_flags if flag.startswith("-mcpu="))
    name = cpu.removeprefix("-mcpu=").split("+")[0].replace("_", "-")
    fpu = next((flag for flag in _FPUS if target.has(flag)), None)
    # Cortex-M55 has its vector unit by default, and GCC takes that from the name of the core.
    unit = "auto" if target.has("mve") else fpu
    floating = ("-mfloat-abi=hard", f"-mfpu={unit}") if fpu is not None else ("-mfloat-abi=soft",)
    return (f"-mcpu={name}", "-mthumb", *floating, *_POSITION_INDEPENDENT)


def run_gcc(arguments: Sequence[str], *, directory: Path) -> None:
    """Run the compiler in `directory`; raises MissingToolError or ToolchainError."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise MissingToolError(f"{PROGRAM} is not installed", hint="Install it with: apt install gcc-arm-none-eabi")
    try:
        done = subprocess.run(
            [program, *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolchainError(f"{PROGRAM} did not finish within {_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS].rstrip(".")
        raise ToolchainError(f"{PROGRAM} failed: {said or f'it ended with code {done.returncode}'}")
