"""CoAP and LwM2M servers side by side in one run: `python benchmarks/server/bench_server.py [--runs 5] [--seconds 2]`.

Stock aiocoap, libcoap's example server where it is installed (Debian: libcoap3-bin), and our whole server, alone and
with its optional parts. The load generators are compiled with zig.
"""

import argparse
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from loads import LOADS, Figures, Goal, Load, Programs, secure_devices_ask
from processes import compile_load, libcoap, running

Results = dict[str, dict[str, list[Figures]]]
"""Figures of every run by load and kind of server."""


def kinds() -> list[str]:
    found = ["stock", "ours", "ours batches", "cid"]
    if importlib.util.find_spec("uvloop"):
        found += ["ours uvloop", "ours uvloop batches", "cid uvloop batches"]
    else:
        say("uvloop is not installed: pip install 'lwm2m-ml[fast]'")
    if libcoap():
        found.append("libcoap")
    else:
        say("libcoap's coap-server is not installed (Debian: libcoap3-bin): its rows are left out")
    if shutil.which("coap-server-openssl"):
        found.append("libcoap-openssl")
    return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(programs: Programs, chosen: list[str], loads: list[Load], runs: int, seconds: float) -> Results:
    results: Results = {}
    for number in range(runs):
        for kind in chosen:
            handshakes: Figures = {}
            for load in loads:
                if kind.split()[0] not in load.kinds:
                    continue
                if load.put_on is secure_devices_ask and handshakes:
                    got = handshakes
                else:
                    with running(kind) as server:
                        try:
                            got = load.put_on(programs, server, seconds, load)
                        except (subprocess.CalledProcessError, ValueError) as error:
                            say(f"{load.name}, {kind}: no figure in this run ({error})\n{server.complaints()}")
                            continue
                    if load.put_on is secure_devices_ask:
                        handshakes = got
                if got:
                    results.setdefault(load.name, {}).setdefault(kind, []).append(got)
            say(f"run {number + 1} of {runs}: {kind}")
    return results


def median(runs: list[Figures], figure: str) -> float:
    return statistics.median(one.get(figure, 0.0) for one in runs)


def judge(results: Results, load: Load, kind: str, goal: Goal) -> str:
    """What came of a goal."""
    got = median(results[load.name][kind], goal.figure or load.figure)
    if goal.below:
        return f"{goal.figure} < {goal.value:g}: {'met' if got < goal.value else f'missed, {got:.1f}'}"
    if not goal.times:
        return f">= {goal.value:,.0f}{load.unit}: {'met' if got >= goal.value else f'missed, {got / goal.value:.0%}'}"
    other = results.get(goal.of_load or load.name, {}).get(goal.times)
    if not other:
        return f"x{goal.value:g} {goal.times}: not measured"
    ratio = got / max(median(other, load.figure), 1e-9)
    return f"x{goal.value:g} {goal.times}: {'met' if ratio >= goal.value else 'missed'}, x{ratio:.1f}"


def report(results: Results, loads: list[Load]) -> None:
    for load in loads:
        found = results.get(load.name, {})
        print(f"\n{load.name}")
        cost_figure = "handshake_cpu_us" if load.figure.startswith("handshakes") else "cpu_us"
        stock_cost = median(found["stock"], cost_figure) if "stock" in found else 0.0
        for kind, runs in found.items():
            cost = median(runs, cost_figure)
            line = f"  {kind:20} {median(runs, load.figure):14,.0f} {load.unit:4} CPU {cost:7.1f} us"
            line += f" (1/{stock_cost / cost:4.1f})" if stock_cost and cost else " " * 9
            line += f"  p99.9 {median(runs, 'p999_ms'):6.1f} ms" if "p999_ms" in runs[0] else ""
            lost = sum(one.get("errors", 0) + one.get("repeated", 0) + one.get("failed", 0) for one in runs)
            line += f"  lost {lost:,.0f}" if lost else ""
            goals = "; ".join(judge(results, load, kind, goal) for goal in load.goals if goal.kind == kind.split()[0])
            print(f"{line}  {goals}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--kinds", help="comma-separated, like 'stock,ours'")
    parser.add_argument("--loads", help="only loads whose name contains this text")
    parser.add_argument("--json", type=Path, help="write every figure here too")
    arguments = parser.parse_args()
    chosen = arguments.kinds.split(",") if arguments.kinds else kinds()
    loads = [load for load in LOADS if (arguments.loads or "") in load.name]
    with tempfile.TemporaryDirectory() as directory:
        secure = compile_load("dtls_load", Path(directory), "-lssl", "-lcrypto")
        if secure is None:
            say("OpenSSL's headers are not installed (Debian: libssl-dev): DTLS is left out")
        programs = Programs(compile_load("load", Path(directory)), secure)
        results = measure(programs, chosen, loads, arguments.runs, arguments.seconds)
    report(results, loads)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
