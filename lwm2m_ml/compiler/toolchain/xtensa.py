"""Debian's GCC for the Xtensa LX106, the core of the ESP8266 and of no other chip here: the ESP32's cores differ.

It makes code for one address only, so there are no native modules for the ESP8266; it tells how large a model's C
sources are there.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.compiler.toolchain.elf import ElfFile
from lwm2m_ml.compiler.toolchain.errors import ToolchainError

PROGRAM = "xtensa-lx106-elf-gcc"
CORE = "xtensa-lx106"
_FLAGS = ("-std=c99", "-Os", "-ffreestanding", "-fno-strict-aliasing", "-ffp-contract=off", "-w")
_TIMEOUT_SECONDS = 300
_SHOWN_CHARACTERS = 1000


@cache
def xtensa_version() -> str | None:
    """The version of the installed compiler; None when there is none that answers."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-dumpversion"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def serves(target: Target) -> bool:
    """Whether the installed compiler makes code for a target."""
    return target.core == CORE and xtensa_version() is not None


def code_bytes(sources: Mapping[str, str], name: str) -> int:
    """Bytes of code and constants that one of the sources compiles to; raises ToolchainError."""
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-") as directory:
        work = Path(directory)
        for each, text in sources.items():
            (work / each).write_text(text, "utf-8", newline="\n")
        command = [PROGRAM, *_FLAGS, "-I.", "-c", name, "-o", "out.o"]
        done = subprocess.run(
            command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS].rstrip(".")
            raise ToolchainError(f"{PROGRAM} failed: {said}")
        elf = ElfFile((work / "out.o").read_bytes())
    return sum(section.size for section in elf.sections if section.is_loaded)
