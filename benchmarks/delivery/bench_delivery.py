"""Bytes over the air and seconds of deliveries: `python benchmarks/delivery/bench_delivery.py [--quick]`.

Every row is a real service and a simulated device that verifies and runs what it gets, on virtual time: seconds are
those of the link that the row names, whatever the machine. `--quick` measures digits over one link only.
"""

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from retraining import changed_last_layer, retrained_digits
from scene import Board, Delivered, Scene, Transport, scene

from lwm2m_ml.logs import configure_logging
from lwm2m_ml.service.zoo import shipped
from lwm2m_ml_simulator.network.conditions import Conditions
from lwm2m_ml_simulator.virtual.run import run_virtually

SHARED = Path(os.environ.get("LWM2M_ML_SHARED", Path(__file__).resolve().parents[3] / "shared"))
KWS = SHARED / "models" / "mlperf-tiny" / "kws_int8.tflite"
DIGITS = Path(shipped.__path__[0]) / "digits"
LARGEST_DELTA_SHARE = 0.35
LARGEST_HEAD = {"plain": 400, "delta": 640}
"""Of the first packages, which have block tables, and of those that are deltas. What was seen is printed at the end."""

BOARDS = (
    Board("nRF52840, Thread", "nrf52840", Conditions(latency=0.02, bandwidth=125e3), 256),
    Board("nRF9160, LTE-M", "nrf9160", Conditions(latency=0.1, bandwidth=300e3), 1024),
    Board("RP2040, NB-IoT", "rp2040", Conditions(latency=0.8, bandwidth=25e3), 512),
)
PULL, PULL_SECURE = Transport("pull, CoAP"), Transport("pull, DTLS", "coaps")
WINDOWED, PUSH = Transport("pull, CoAP, windowed", windowed=True), Transport("push, CoAP", push=True)
TCP = Transport("pull, TCP", "coap+tcp", windowed=True)
TRANSPORTS = (PULL, PULL_SECURE, WINDOWED, TCP, PUSH)
SHORT = (PULL, WINDOWED, TCP)
"""On the other boards, where nothing else would be seen of the others."""
LOSSES, SEEDS = (0.0, 0.05, 0.20), range(3)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, and the same with its last layer trained again."""

    name: str
    first: bytes
    again: bytes
    input_shape: tuple[int, ...]
    calibration: bytes | None = None


def subjects() -> list[Subject]:
    small = (DIGITS / "digits-medium.onnx").read_bytes()
    calibration = (DIGITS / "calibration.npz").read_bytes()
    found = [Subject("digits-medium", small, retrained_digits(small), (1, 8, 8), calibration)]
    if KWS.exists():
        kws = KWS.read_bytes()
        found.append(Subject("kws", kws, changed_last_layer(kws), (1, 490)))
    else:
        print(f"{KWS} is not there: no rows for kws", file=sys.stderr)
    return found


async def add(place: Scene, subject: Subject, version: str, content: bytes) -> None:
    facts = {} if subject.calibration is None else {"calibration": subject.calibration}
    await place.service.zoo.add(subject.name, version, content, **facts)


async def installs_and_retrains(directory: Path, subject: Subject, boards: tuple[Board, ...]) -> list[tuple[str, ...]]:
    """First install on every board by every transport, then the retrained model on all of them."""
    rows = []
    async with scene(directory) as place:
        await add(place, subject, "1.0.0", subject.first)
        pairs = [(board, transport) for board in boards for transport in (TRANSPORTS if board is boards[0] else SHORT)]
        installed: dict[int, Delivered] = {}
        for number, (board, transport) in enumerate(pairs):
            await place.join(f"d{number}", board, transport, subject.input_shape)
            installed[number] = await place.deploy(subject.name, f"d{number}")
        await add(place, subject, "1.0.1", subject.again)
        for number, (board, transport) in enumerate(pairs):
            first, again = installed[number], await place.deploy(subject.name, f"d{number}")
            rows.append(row(subject, board, transport, first, again))
            print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    return rows


def row(subject: Subject, board: Board, transport: Transport, first: Delivered, again: Delivered) -> tuple[str, ...]:
    for kind, one in (("plain", first), ("delta", again)):
        check(one.state == "active", f"{subject.name} on {board.name} by {transport.name}: {one.state}, {one.reason}")
        check(one.head_bytes <= LARGEST_HEAD[kind], f"{one.head_bytes} B of signature and manifest")
        SEEN[kind] = max(SEEN[kind], one.head_bytes)
    share = again.package_bytes / max(1, first.package_bytes)
    check(share <= LARGEST_DELTA_SHARE, f"{subject.name}: the delta is {share:.0%} of the first package")
    return (
        subject.name,
        board.name,
        transport.name,
        f"{first.encoding}, {first.package_bytes:,}",
        f"{first.air_bytes:,}",
        f"{first.seconds:.1f}",
        f"{again.encoding}, {again.package_bytes:,}",
        f"{share:.0%}",
        f"{again.air_bytes:,}",
        f"{again.seconds:.1f}",
    )


FAILURES: list[str] = []
SEEN = dict.fromkeys(LARGEST_HEAD, 0)


def check(holds: bool, problem: str) -> None:
    if not holds:
        FAILURES.append(problem)
        print(f"NOT AS PROMISED: {problem}", file=sys.stderr, flush=True)


async def losses(directory: Path, subject: Subject, board: Board) -> list[tuple[str, ...]]:
    """First installs over a link that loses datagrams: stop-and-wait, windows and TCP; medians over several seeds."""
    rows = []
    async with scene(directory) as place:
        await add(place, subject, "1.0.0", subject.first)
        for loss in LOSSES:
            lossy = replace(board, conditions=replace(board.conditions, loss=loss))
            medians = []
            for transport in SHORT:
                got = []
                for seed in SEEDS:
                    endpoint = f"{transport.name}-{loss}-{seed}"
                    await place.join(endpoint, lossy, transport, subject.input_shape, seed=seed)
                    got.append(await place.deploy(subject.name, endpoint))
                    await place.leave(endpoint)
                for one in got:
                    check(one.state == "active", f"{transport.name} at {loss:.0%}: {one.state}, {one.reason}")
                medians.append(statistics.median(one.seconds for one in got))
                print(loss, transport.name, medians[-1], file=sys.stderr, flush=True)
                rows.append(
                    (
                        f"{loss:.0%}",
                        transport.name,
                        f"{statistics.median(one.air_bytes for one in got):,.0f}",
                        f"{medians[-1]:.1f}",
                        f"×{medians[0] / medians[-1]:.1f}",
                    )
                )
    return rows


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]], left: int) -> None:
    print("| " + " | ".join(columns) + " |")
    print("|" + "|".join("---" if index < left else "--:" for index in range(len(columns))) + "|")
    for one in rows:
        print("| " + " | ".join(one) + " |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="digits over one link only")
    quick = parser.parse_args().quick
    configure_logging(level="error")
    chosen = subjects()[:1] if quick else subjects()
    boards = BOARDS[:1] if quick else BOARDS
    rows = []
    for subject in chosen:
        with tempfile.TemporaryDirectory() as directory:
            rows += run_virtually(installs_and_retrains(Path(directory), subject, boards))
    first = ("first package, B", "air, B", "s")
    table(("model", "device and link", "transport", *first, "retrained, B", "share", "air, B", "s"), rows, 3)
    print()
    with tempfile.TemporaryDirectory() as directory:
        lost = run_virtually(losses(Path(directory), chosen[-1], BOARDS[1]))
    table(("loss", "transport", "air, B", "s", "as fast"), lost, 2)
    print(f"\nSignature and manifest: at most {SEEN['plain']} B of a first package, {SEEN['delta']} B of a delta.")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
