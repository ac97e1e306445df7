"""Compiles MLPerf Tiny's int8 models and prints what the modules take, beside recorded figures of other projects.

Every compilation runs in a process and with a cache of its own: seconds and memory are those of a first compilation,
proof included. The models are found through LWM2M_ML_SHARED, or in ../shared beside the repository.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorded import RECORDED

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("LWM2M_ML_SHARED") or ROOT.parent / "shared")
DIGITS = ROOT / "lwm2m_ml" / "service" / "zoo" / "shipped" / "digits"
TARGETS = ("cortex-m0plus", "cortex-m4f", "cortex-m7", "rv32imc", "wasm32", "host")
OPTIMIZE = ("size", "balanced", "speed")


@dataclass(frozen=True)
class Subject:
    name: str
    path: Path
    calibration: Path | None = None

    @property
    def inputs(self) -> list[Path]:
        return sorted((SHARED / "data" / "mlperf-tiny-inputs" / self.name).glob("*.bin"))


def subjects() -> list[Subject]:
    models = SHARED / "models" / "mlperf-tiny"
    found = [Subject(name, models / f"{name}_int8.tflite") for name in RECORDED]
    return [subject for subject in found if subject.path.is_file()]


def digits() -> Subject:
    return Subject("digits", DIGITS / "digits-medium.onnx", DIGITS / "calibration.npz")


def measure(subject: Subject, target: str, optimize: str) -> dict[str, Any]:
    """Compile in a process of its own; the facts, with the seconds and the largest memory of any process of it."""
    with tempfile.TemporaryDirectory(prefix="bench-compiler-") as directory:
        command = [sys.executable, __file__, "--one", subject.name, str(subject.path), target, optimize, directory]
        environment = {**os.environ, "LWM2M_ML_CACHE": f"{directory}/cache"}
        started = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{subject.name} for {target} failed: {done.stderr.strip().splitlines()[-1]}")
    return {**json.loads(done.stdout), "seconds": seconds}


def compile_one(name: str, path: Path, target: str, optimize: str, directory: Path) -> None:
    from lwm2m_ml.cli.compile import compile_model  # noqa: PLC0415 - in the measured process only

    subject = digits() if name == "digits" else Subject(name, path)
    facts = directory / "facts"
    stdout, sys.stdout = sys.stdout, facts.open("w")
    compile_model(
        path,
        target,
        optimize=optimize,
        calibration=subject.calibration,
        inputs=subject.inputs,
        output=directory / "module",
        as_json=True,
    )
    sys.stdout.close()
    sys.stdout = stdout
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({**json.loads(facts.read_text()), "peak_kib": usage}))


def row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def header(names: list[str]) -> None:
    row(names)
    row(["---"] * 2 + ["--:"] * (len(names) - 2))


def millions(instructions: float) -> str:
    return f"{instructions / 1e6:,.3f} M" if instructions < 1e6 else f"{instructions / 1e6:,.2f} M"


def verdict(facts: dict[str, Any]) -> str:
    return "exact" if facts["exact"] else f"≤ {facts['max_abs_diff']} LSB"


def print_peers(target: str) -> None:
    print(f"\n{target}: lwm2m-ml as measured now, the others as recorded on 2026-11-20\n")
    header(["model", "compiler", "flash B", "RAM B", "instructions", "output", "compile s", "peak MiB"])
    for subject in subjects():
        for optimize in OPTIMIZE:
            facts = measure(subject, target, optimize)
            figures = [f"{facts['flash_bytes']:,}", f"{facts['ram_bytes']:,}", millions(facts["instructions"])]
            cost = [f"{facts['seconds']:.1f}", f"{facts['peak_kib'] / 1024:.0f}"]
            row([subject.name, f"lwm2m-ml, {optimize}", *figures, verdict(facts), *cost])
        for peer in RECORDED[subject.name]:
            figures = [f"{peer.flash:,}", f"{peer.ram:,}", millions(peer.instructions)]
            row([subject.name, peer.name, *figures, peer.output, "", ""])


def print_targets(targets: list[str]) -> None:
    print("\nAll targets, balanced\n")
    header(["model", "target", "flash B", "RAM B", "instructions", "inputs", "output", "compile s"])
    for subject in [digits(), *subjects()]:
        for target in targets:
            facts = measure(subject, target, "balanced")
            figures = [f"{facts['flash_bytes']:,}", f"{facts['ram_bytes']:,}", millions(facts["instructions"])]
            row([subject.name, target, *figures, str(facts["vectors"]), verdict(facts), f"{facts['seconds']:.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="*", default=list(TARGETS), help="targets of the second table")
    parser.add_argument("--peers-target", default="cortex-m4f", help="target of the first table")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, path, target, optimize, directory = arguments.one
        compile_one(name, Path(path), target, optimize, Path(directory))
        return
    if not subjects():
        sys.exit(f"The models are not in {SHARED / 'models' / 'mlperf-tiny'}: set LWM2M_ML_SHARED")
    print_peers(arguments.peers_target)
    print_targets(arguments.targets)


if __name__ == "__main__":
    main()
