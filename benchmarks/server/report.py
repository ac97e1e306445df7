"""The table of a run, in Markdown, and its place in a document."""

import os
import platform
import re
import statistics
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from loads import Figures, Goal, Load

Results = dict[str, dict[str, list[Figures]]]
"""Figures of every run by load and kind of server."""

SERVERS = {
    "stock": "aiocoap",
    "leshan": "Eclipse Leshan",
    "ours": "ours, pure Python",
    "cid": "ours with connection ids, pure Python",
    "libcoap": "libcoap",
    "libcoap-openssl": "libcoap on OpenSSL",
}
WITH_OPTIONS = {"ours": "ours", "cid": "ours with connection ids"}
HEAD = "| load | server | median | CPU µs each | p99.9 ms | goal |\n|---|---|---|---|---|---|"


def median(runs: list[Figures], figure: str) -> float:
    return statistics.median(one.get(figure, 0.0) for one in runs)


def named(kind: str) -> str:
    """`ours uvloop batches compiled` as `ours, uvloop, batches and compiled`."""
    if kind in SERVERS:
        return SERVERS[kind]
    name, *options, last = kind.split()
    return f"{WITH_OPTIONS[name]}, {' and '.join(filter(None, (', '.join(options), last)))}"


def judge(results: Results, load: Load, kind: str, goal: Goal) -> str:
    """What came of a goal."""
    figure = goal.figure or load.figure
    got = median(results[load.name][kind], figure)
    if not goal.times:
        return f">= {goal.value:,.0f}{load.unit}: {'met' if got >= goal.value else f'missed, {got / goal.value:.0%}'}"
    other = results.get(goal.of_load or load.name, {}).get(goal.times)
    if not other:
        return f"x{goal.value:g} {goal.times}: not measured"
    ratio = got / max(median(other, figure), 1e-9)
    if goal.below:
        return f"CPU µs < x{goal.value:g} {goal.times}: {'met' if ratio < goal.value else 'missed'}, x{ratio:.2f}"
    return f"x{goal.value:g} {goal.times}: {'met' if ratio >= goal.value else 'missed'}, x{ratio:.1f}"


def row(results: Results, load: Load, kind: str) -> str:
    runs = results[load.name][kind]
    cost = median(runs, "handshake_cpu_us" if load.figure.startswith("handshakes") else "cpu_us")
    value = median(runs, load.figure)
    rate = f"{value / 1e6:.1f} MB/s" if load.unit == "B/s" else f"{value:,.0f}{load.unit}"
    late = f"{median(runs, 'p999_ms'):.1f}" if "p999_ms" in runs[0] else ""
    lost = sum(one.get("errors", 0) + one.get("repeated", 0) + one.get("failed", 0) for one in runs)
    notes = [judge(results, load, kind, goal) for goal in load.goals if goal.kind == kind.split(maxsplit=1)[0]]
    notes += [f"{lost:,.0f} lost or repeated"] if lost else []
    return f"| {load.name} | {named(kind)} | {rate} | {cost:.0f} | {late} | {'; '.join(notes)} |"


def table(results: Results, loads: list[Load]) -> str:
    rows = [row(results, load, kind) for load in loads for kind in results.get(load.name, {})]
    return "\n".join([HEAD, *rows])


def machine() -> str:
    """Where and when, and who else was computing: to be asked before the run."""
    processors = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    packages = ", ".join(f"{name} {found}" for name in ("uvloop", "aiocoap", "pyOpenSSL") if (found := installed(name)))
    return (
        f"{len(processors)} processors ({processors[0] if processors else 'unknown'}), Linux {platform.release()}, "
        f"CPython {platform.python_version()}, {packages}; load average at the beginning {loads}"
    )


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def write_into(document: Path, section: str, text: str) -> None:
    """Replace what stands between the comments `begin` and `end` of a section."""
    begin, end = f"<!-- {section}: begin -->\n", f"\n<!-- {section}: end -->"
    before, found, rest = document.read_text().partition(begin)
    _, also_found, after = rest.partition(end)
    if not (found and also_found):
        raise SystemExit(f"{document} has no place for {section!r}")
    document.write_text(before + begin + text + end + after)
