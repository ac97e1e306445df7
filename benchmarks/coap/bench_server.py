"""CoAP servers side by side in one run: `python benchmarks/coap/bench_server.py [--runs 5] [--seconds 4]`.

Stock aiocoap, ours (and its slow path, and with uvloop when that is installed), and libcoap's `coap-server` when it
is installed (Debian: libcoap3-bin). The load generator is compiled from `load.c` with zig.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LIBCOAP = "coap-server"


@dataclass(frozen=True)
class Load:
    name: str
    mode: str
    devices: int
    argument: str
    figure: str = "per_second"


LOADS = (
    Load("GET, 200 devices", "request", 200, "hello"),
    Load("POST /rd, 30 links", "register", 200, "30"),
    Load("download 100 kB, B/s", "download", 100, "body", "bytes_per_second"),
)


def compile_load(directory: Path) -> Path:
    program = directory / "load"
    subprocess.run([sys.executable, "-m", "ziglang", "cc", "-O2", "-o", program, HERE / "load.c"], check=True)
    return program


def kinds() -> list[str]:
    found = ["stock", "ours", "ours-slow-path"]
    if importlib.util.find_spec("uvloop"):
        found.append("ours-uvloop")
    if shutil.which(LIBCOAP):
        found.append("libcoap")
    return found


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(kind: str):
    port = free_port()
    if kind == "libcoap":
        command = [LIBCOAP, "-A", "127.0.0.1", "-p", str(port), "-d", "100"]
    else:
        command = [sys.executable, str(HERE / "servers.py"), kind, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; unlike requests per second it bears a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(port: int) -> None:
    """Ask for the root until something answers, whatever it is."""
    deadline = time.monotonic() + 15
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        while time.monotonic() < deadline:
            message_id = int(time.monotonic() * 1000) & 0xFFFF
            probe.sendto(b"\x40\x01" + message_id.to_bytes(2), ("127.0.0.1", port))
            with contextlib.suppress(OSError):
                if probe.recv(100):
                    return
    raise SystemExit(f"No server answers on port {port}")


def run(program: Path, load: Load, port: int, seconds: float) -> dict[str, float]:
    arguments = [load.mode, "127.0.0.1", str(port), str(load.devices), str(seconds), load.argument]
    output = subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def argument_of(load: Load, kind: str) -> Load | None:
    """What libcoap's example server offers for a load, if it does."""
    if kind != "libcoap":
        return load
    return Load(load.name, "request", load.devices, "") if load.mode == "request" else None


def measure(program: Path, runs: int, seconds: float) -> dict[str, dict[str, list[dict[str, float]]]]:
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    for number in range(runs):
        for kind in kinds():
            with server(kind) as (port, pid):
                for load in LOADS:
                    offered = argument_of(load, kind)
                    if offered is not None:
                        before = cpu_seconds(pid)
                        got = run(program, offered, port, seconds)
                        got["cpu_us"] = (cpu_seconds(pid) - before) * 1e6 / max(got["per_second"] * seconds, 1)
                        results.setdefault(load.name, {}).setdefault(kind, []).append(got)
            print(f"run {number + 1} of {runs}: {kind}", file=sys.stderr)
    return results


def report(results: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    for load in LOADS:
        stock = statistics.median(one[load.figure] for one in results[load.name]["stock"])
        stock_cpu = statistics.median(one["cpu_us"] for one in results[load.name]["stock"])
        print(f"\n{load.name}")
        for kind, runs in results[load.name].items():
            median = statistics.median(one[load.figure] for one in runs)
            cpu = statistics.median(one["cpu_us"] for one in runs)
            slow = statistics.median(one["p999_ms"] for one in runs)
            errors = sum(one["errors"] + one["repeated"] for one in runs)
            print(
                f"  {kind:15} {median:14,.0f}  x{median / stock:5.1f}"
                f"   CPU {cpu:6.1f} us each, 1/{stock_cpu / cpu:4.1f}   p99.9 {slow:7.1f} ms   lost {errors:,.0f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--json", type=Path, help="write every figure here too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        results = measure(compile_load(Path(directory)), arguments.runs, arguments.seconds)
    report(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
