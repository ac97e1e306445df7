"""Our whole server under mixed load for long: `python benchmarks/server/endurance.py [--minutes 10] [--share 0.5]`.

Updates, Sends, notifications and Registers at once; what they may cost in time and memory is checked at the end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from loads import LINKS
from processes import Server, compile_load, last_line, running
from report import machine, named, write_into

WARM_UP = 20.0
"""Seconds until memory is first looked at: every device has been heard by then, and every cache is full."""
PATIENCE_WITH_MEMORY = 10.0
DEVICES = 500
PERCENTILES = ("p50_ms", "p99_ms", "p999_ms")
GROWTH_ALLOWED = 0.05
LATENCY_ALLOWED = 60.0


@dataclass(frozen=True)
class Part:
    """One kind of message, and how many of it per second are the full load."""

    mode: str
    full_rate: int


PARTS = (Part("update", 16_000), Part("send", 6_000), Part("register", 1_000), Part("request", 8_000))
"""Together what a server with uvloop and batches only just keeps up with on two cores (docs/benchmarks.md)."""


def start(program: Path, server: Server, part: Part, seconds: float, share: float) -> subprocess.Popen[str]:
    argument = server.facts["hello"] if part.mode == "request" else LINKS
    where = ["127.0.0.1", str(server.port), str(DEVICES), str(seconds), argument]
    line = [str(program), part.mode, *where, str(part.full_rate * share), str(WARM_UP)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def endure(program: Path, kind: str, seconds: float, share: float) -> tuple[bool, str]:
    """Whether the server kept within the limits, and the table."""
    rows = ["| load | answered | p50 | p99 | p99.9 | errors | repeated |", "|---|---|---|---|---|---|---|"]
    with running(kind) as server:
        parts = [(part, start(program, server, part, seconds, share)) for part in PARTS]
        time.sleep(WARM_UP)
        before, processor, begun = server.resident_bytes(), server.cpu_seconds(), time.monotonic()
        good = True
        for part, process in parts:
            got = last_line(process.communicate()[0])
            good = good and got["p999_ms"] <= LATENCY_ALLOWED
            times = " | ".join(f"{got[figure]:.1f} ms" for figure in PERCENTILES)
            rows.append(f"| {part.mode} | {got['per_second']:,.0f}/s | {times} | {got['errors']} | {got['repeated']} |")
        used = (server.cpu_seconds() - processor) / (time.monotonic() - begun)
        time.sleep(PATIENCE_WITH_MEMORY)
        after = server.resident_bytes()
    growth = after / before - 1
    memory = f"memory {before / 1e6:.1f} MB → {after / 1e6:.1f} MB ({growth:+.1%})"
    good = good and growth <= GROWTH_ALLOWED
    verdict = "Within the limits" if good else "**Beyond the limits**"
    rows += ["", f"{verdict}: {used:.0%} of one core, {memory}."]
    return good, "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.5, help="of the full load")
    parser.add_argument("--kind", default="ours", help="options follow, as in 'ours uvloop batches'")
    parser.add_argument("--write", type=Path, help="put the table into this document, such as docs/benchmarks.md")
    arguments = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as directory:
        program = compile_load("load", Path(directory))
        good, text = endure(program, arguments.kind, arguments.minutes * 60, arguments.share)
    what = f"{arguments.minutes:g} minutes at {arguments.share:.0%} of the full load, {named(arguments.kind)}"
    text += f"\n\nMeasured on {date.today()}, {what}: {where}."
    print(text)
    if arguments.write:
        write_into(arguments.write, "soak", text)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
