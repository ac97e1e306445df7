"""Whether this machine is fit to run a server: interpreter, memory, clock."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lwm2m_ml.cli.checks.finding import Finding

NEEDED_BYTES = 1 << 30
EARLIEST = 1_767_225_600
"""2026-01-01: no clock of a machine that runs this is right before."""


def interpreter() -> Iterator[Finding]:
    """Tell what runs this."""
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    advice = "" if sys.platform == "linux" else "Only Linux is tested"
    yield Finding("interpreter", "ok" if sys.platform == "linux" else "warning", found, advice)


def memory() -> Iterator[Finding]:
    """Tell how much there is to compile in."""
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = f"{size / (1 << 30):.1f} GiB, {os.cpu_count()} processors"
    if size < NEEDED_BYTES:
        yield Finding("memory", "warning", found, "Compile on a larger machine, or set compile_workers to 1")
    else:
        yield Finding("memory", "ok", found)


def clock() -> Iterator[Finding]:
    """See that the clock is set and kept: certificates, tokens and signatures live by it."""
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()) + " UTC"
    newest = max((path.stat().st_mtime for path in (Path(__file__), Path(sys.prefix))), default=0.0)
    if time.time() < max(EARLIEST, newest - 86_400):
        yield Finding("clock", "failure", f"{now} is long ago", "Set the clock, best by NTP")
        return
    kept = _is_synchronised()
    if kept is False:
        yield Finding("clock", "warning", f"{now}, not kept by NTP", "Run: timedatectl set-ntp true")
    else:
        yield Finding("clock", "ok", f"{now}, {'kept by NTP' if kept else 'nobody here can tell who keeps it'}")


def _is_synchronised() -> bool | None:
    try:
        command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() == "yes"
