"""Our whole server under mixed load for long: `python benchmarks/server/endurance.py [--minutes 10] [--share 0.5]`.

Updates, Sends, notifications and Registers at once; what they may cost in time and memory is checked at the end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from loads import LINKS
from processes import Server, compile_load, last_line, running

WARM_UP = 20.0
"""Seconds until memory is first looked at: every device has been heard by then, and every cache is full."""
PATIENCE_WITH_MEMORY = 10.0
DEVICES = 500
PERCENTILES = {"p50": "p50_ms", "p99": "p99_ms", "p99.9": "p999_ms"}
GROWTH_ALLOWED = 0.05
LATENCY_ALLOWED = 60.0


@dataclass(frozen=True)
class Part:
    """One kind of message, and how many of it per second are the full load."""

    mode: str
    full_rate: int


PARTS = (Part("update", 8_000), Part("send", 3_000), Part("register", 500), Part("request", 4_000))


def start(program: Path, server: Server, part: Part, seconds: float, share: float) -> subprocess.Popen[str]:
    argument = server.facts["hello"] if part.mode == "request" else LINKS
    where = ["127.0.0.1", str(server.port), str(DEVICES), str(seconds), argument]
    line = [str(program), part.mode, *where, str(part.full_rate * share), str(WARM_UP)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def endure(program: Path, kind: str, seconds: float, share: float) -> bool:
    """Whether the server kept within the limits."""
    with running(kind) as server:
        parts = [(part, start(program, server, part, seconds, share)) for part in PARTS]
        time.sleep(WARM_UP)
        before, processor, begun = server.resident_bytes(), server.cpu_seconds(), time.monotonic()
        good = True
        for part, process in parts:
            got = last_line(process.communicate()[0])
            good = good and got["p999_ms"] <= LATENCY_ALLOWED
            times = "  ".join(f"{name} {got[figure]:.1f} ms" for name, figure in PERCENTILES.items())
            lost = f"errors {got['errors']}  repeated {got['repeated']}"
            print(f"  {part.mode:10} {got['per_second']:9,.0f}/s  {times}  {lost}")
        used = (server.cpu_seconds() - processor) / (time.monotonic() - begun)
        time.sleep(PATIENCE_WITH_MEMORY)
        after = server.resident_bytes()
    growth = after / before - 1
    print(f"  processor {used:.0%} of one core, memory {before / 1e6:.1f} MB -> {after / 1e6:.1f} MB ({growth:+.1%})")
    return good and growth <= GROWTH_ALLOWED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.5, help="of the full load")
    parser.add_argument("--kind", default="ours", help="options follow, as in 'ours uvloop batches'")
    arguments = parser.parse_args()
    print(f"{arguments.kind}: {arguments.minutes:g} minutes at {arguments.share:.0%} load")
    with tempfile.TemporaryDirectory() as directory:
        program = compile_load("load", Path(directory))
        good = endure(program, arguments.kind, arguments.minutes * 60, arguments.share)
    print("within the limits" if good else "beyond the limits")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
