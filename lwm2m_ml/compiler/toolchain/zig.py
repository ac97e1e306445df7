"""Runs the zig compiler that pip installed, and turns its complaints into errors."""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lwm2m_ml.compiler.toolchain.cache import cache_directory
from lwm2m_ml.compiler.toolchain.errors import ToolchainError
from lwm2m_ml.errors import MissingToolError

_TIMEOUT_SECONDS = 300
_SHOWN_LINES = 5
_SHOWN_CHARACTERS = 2000
_COMPLAINT = re.compile(r"\b(error|fatal)\b", re.IGNORECASE)


@cache
def zig_directory() -> Path:
    """Where the package `ziglang` lies; raises `MissingToolError` when it is not installed."""
    found = importlib.util.find_spec("ziglang")
    if found is None or not found.submodule_search_locations:
        raise MissingToolError("The compiler zig is not installed", hint="Install it with: pip install ziglang")
    return Path(next(iter(found.submodule_search_locations)))


@cache
def zig_version() -> str:
    """The version of the installed zig: part of every cache key."""
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def run_zig(arguments: Sequence[str], *, directory: Path) -> str:
    """Run zig in `directory` and return what it printed; raises `MissingToolError` or `ToolchainError`."""
    command = [*_zig_command(), *arguments]
    try:
        finished = subprocess.run(
            command,
            cwd=directory,
            env=_environment(directory),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except OSError as error:
        raise MissingToolError(
            f"The compiler {command[0]} cannot be started: {error.strerror}",
            hint="Reinstall it with: pip install --force-reinstall ziglang",
        ) from None
    except subprocess.TimeoutExpired:
        raise ToolchainError(f"The compiler did not finish within {_TIMEOUT_SECONDS} s") from None
    if finished.returncode != 0:
        raise ToolchainError(_complaint(arguments[0], finished))
    return finished.stdout.decode("utf-8", "replace")


def _zig_command() -> list[str]:
    program = zig_directory() / ("zig.exe" if sys.platform == "win32" else "zig")
    return [str(program)] if program.exists() else [sys.executable, "-m", "ziglang"]


def _environment(directory: Path) -> dict[str, str]:
    """The environment of the compiler: nothing of ours that could change what it produces, caches of our own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "SYSTEMROOT", "USERPROFILE", "LOCALAPPDATA", "TEMP", "TMP", "TMPDIR"}
    }
    # The global cache holds zig's own runtime library; the local one only what our cache keeps already.
    return kept | {
        "ZIG_GLOBAL_CACHE_DIR": str(cache_directory() / "zig" / zig_version()),
        "ZIG_LOCAL_CACHE_DIR": str(directory / "zig-cache"),
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": "0",
    }


def _complaint(step: str, finished: subprocess.CompletedProcess[bytes]) -> str:
    text = (finished.stderr or finished.stdout).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if _COMPLAINT.search(line)] or lines
    shown = "; ".join(complaints[:_SHOWN_LINES])[:_SHOWN_CHARACTERS].rstrip(".")
    if not shown:
        return f"zig {step} ended with code {finished.returncode} and said nothing"
    return f"zig {step} failed: {shown}"
