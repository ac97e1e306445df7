"""The compiled build of the package: `python benchmarks/server/compiled.py` makes it, and says where it is.

It is the wheel that users make (docs/benchmarks.md), from the source distribution, so that nothing compiled is left
between the sources. It is kept under build/ until they change.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKIPPED = 77
"""The exit status where something that the build needs is missing; one that fails is an error."""
KEPT = ROOT / "build" / "compiled"
BUILD = [sys.executable, "-m", "hatchling", "build"]
BUILT_WITH = ("hatchling", "hatch_mypyc", "mypy", "setuptools")
SOURCES = ("lwm2m_ml/**/*.py", "lwm2m_ml/**/*.c", "objects/*", "pyproject.toml", "constraints.txt")


class CannotCompile(Exception):
    """Something that the build needs is not on this machine."""


def directory() -> Path:
    """Where the compiled package is, for PYTHONPATH. Raises CannotCompile."""
    made = KEPT / f"{sys.implementation.cache_tag}-{platform.machine()}-{_digest()}"
    if not made.exists():
        _check()
        shutil.rmtree(KEPT, ignore_errors=True)  # what was built of other sources
        KEPT.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as workplace:
            unpacked = _build(Path(workplace))
            unpacked.replace(made)
    return made


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in ROOT.glob(pattern) if path.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _check() -> None:
    missing = [
        name for name in ("hatchling", "hatch_mypyc", "mypy", "setuptools") if not importlib.util.find_spec(name)
    ]
    if missing:
        raise CannotCompile(f"{', '.join(missing)} is not installed: pip install hatch-mypyc")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise CannotCompile("Python.h is not installed (Debian: python3-dev)")


def _compiler() -> str:
    """What is called: as the environment says, else the compiler of Python itself, else zig, which is always there."""
    named = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
    return named if named and shutil.which(named.split()[0]) else f"{sys.executable} -m ziglang cc"


def _build(workplace: Path) -> Path:
    source, package = workplace / "source", workplace / "package"
    _run([*BUILD, "--target", "sdist", "--directory", str(workplace)], ROOT)
    shutil.unpack_archive(_only(workplace, "*.tar.gz"), source, filter="data")
    _run([*BUILD, "--target", "wheel", "--directory", str(workplace)], _only(source, "*"), compiled=True)
    shutil.unpack_archive(_only(workplace, "*.whl"), package, "zip")
    return package


def _only(directory: Path, pattern: str) -> Path:
    (found,) = directory.glob(pattern)
    return found


def _run(command: list[str], where: Path, *, compiled: bool = False) -> None:
    environment = os.environ | ({"HATCH_BUILD_HOOK_ENABLE_MYPYC": "1", "CC": _compiler()} if compiled else {})
    subprocess.run(command, cwd=where, env=environment, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    try:
        print(directory())
    except CannotCompile as error:
        print(f"The compiled build is left out: {error}", file=sys.stderr)
        sys.exit(SKIPPED)
