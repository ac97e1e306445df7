"""A hundred thousand devices on one server: `python benchmarks/scale/bench_scale.py [--devices 100000] [--census]`.

The server is `lwm2m-ml serve` as users start it, with its own database. Every device is a CoAP client with an address
of its own (`herd.c`): all of them register at the same moment, answer what the server reads of them (objects 3 and
42769) and are observed three times. Then memory is measured, lists are fetched over HTTP, the server is killed and
comes back, and every device has to be known: an Update of what it was promised before is answered 2.04.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fleet import OBSERVATIONS, describe, endpoint, leave_observations, pages_expected
from processes import Herd, Server, compiled_herd

from lwm2m_ml.client.client import Client
from lwm2m_ml.client.device_calls import devices as device_pages
from lwm2m_ml.store import Store

ALLOWED_MEMORY = 600 << 20
ALLOWED_RESTART = 10.0
ALLOWED_PAGE_MS = 200.0
REGISTERED_WITHIN = 600.0
SETTLED_WITHIN = 1_800.0
PAGES_EACH = 9
CENSUS_SHOWN = 20.0
"""Bytes a device: classes that take less are not shown."""


class Report:
    """Figures as they are found, and the goals that were missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def tell(self, what: str, value: float, unit: str, *, at_most: float | None = None) -> None:
        goal = "" if at_most is None else f"  (goal: at most {at_most:,.0f} {unit})"
        missed = at_most is not None and value > at_most
        print(f"{what:<44}{value:>12,.1f} {unit}{goal}{'  MISSED' if missed else ''}", flush=True)
        if missed:
            self.missed.append(what)

    def check(self, what: str, right: bool) -> None:
        print(f"{what:<44}{'right' if right else 'WRONG':>12}", flush=True)
        if not right:
            self.missed.append(what)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--census", action="store_true", help="tell what the memory holds, by class")
    chosen = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-scale-") as name:
        directory = Path(name)
        describe(directory / "kinds")
        server = Server(directory, counting=chosen.census)
        asyncio.run(prepare(directory, chosen.devices))
        server.start()
        report.tell("memory without devices", server.resident_bytes() / 2**20, "MB")
        herd = Herd(compiled_herd(directory), server.ports[0], chosen.devices, directory / "kinds")
        try:
            run(server, herd, chosen.devices, report, census=chosen.census)
        finally:
            herd.stop()
            server.stop()
    if report.missed:
        sys.exit(f"Missed: {'; '.join(report.missed)}")


async def prepare(directory: Path, devices: int) -> None:
    """A database as an earlier run left it."""
    store = await Store.open(f"sqlite+aiosqlite:///{directory / 'lwm2m-ml.sqlite3'}")
    await leave_observations(store, devices)
    await store.close()


def run(server: Server, herd: Herd, devices: int, report: Report, *, census: bool) -> None:
    arrive(server, herd, devices, report)
    observed = settle(herd, OBSERVATIONS * devices, f"observed {OBSERVATIONS} times each", report)
    report.tell("memory with all devices", server.resident_bytes() / 2**20, "MB", at_most=ALLOWED_MEMORY / 2**20)
    report.tell("memory at its most", server.largest_bytes() / 2**20, "MB")
    if census:
        tell_census(server, devices, report)
    fetch_lists(server, devices, report)
    server.kill()
    report.tell("restart after SIGKILL, all known", known_again(server, devices, report), "s", at_most=ALLOWED_RESTART)
    settle(herd, observed + devices, "lasting observations are made again", report)
    updated = herd.order("update", REGISTERED_WITHIN)
    report.tell("Updates of all devices at once", updated["seconds"], "s")
    report.check("every promised registration is there", updated["refused"] == 0)
    report.tell("memory after the restart", server.resident_bytes() / 2**20, "MB", at_most=ALLOWED_MEMORY / 2**20)


def arrive(server: Server, herd: Herd, devices: int, report: Report) -> None:
    """All devices register at once."""
    before = server.processor_seconds()
    told = herd.order("register", REGISTERED_WITHIN)
    report.tell("herd registered", told["seconds"], "s")
    report.tell("registrations", devices / told["seconds"], "/s")
    report.tell("server's processor time, reads included", server.processor_seconds() - before, "s")
    for counted, text in (("put_off", "put off (5.03)"), ("repeated", "messages repeated"), ("given_up", "given up")):
        report.tell(text, told[counted], "")
    report.check("nobody was refused", told["refused"] == 0)


def settle(herd: Herd, wanted: int, what: str, report: Report) -> int:
    """Wait until devices were asked for so many observations; returns how many it were."""
    began = time.perf_counter()
    while (observed := herd.order("tell", 30.0)["observed"]) < wanted:
        if time.perf_counter() - began > SETTLED_WITHIN:
            break
        time.sleep(1)
    report.tell("until everything is observed", time.perf_counter() - began, "s")
    report.check(what, observed >= wanted)
    time.sleep(3)  # the last answers are on their way
    return int(observed)


def tell_census(server: Server, devices: int, report: Report) -> None:
    """What was made since the server came up, by class; what is little is left out."""
    counted = server.census()
    for kind, (number, size) in sorted(counted["classes"].items(), key=lambda item: -item[1][1]):
        if size / devices >= CENSUS_SHOWN:
            report.tell(f"{number / devices:6.2f} {kind.replace('lwm2m_ml.', '')}", size / devices, "bytes a device")
    report.tell("free, but kept by the C library", counted["free_in_malloc"] / 2**20, "MB")


def fetch_lists(server: Server, devices: int, report: Report) -> None:
    """Page through lists of all devices, some pages of each measured, and count what is found."""
    with Client(server.api, server.token) as client:
        for name, (query, expected) in pages_expected(devices).items():
            times: list[float] = []
            found, before = 0, server.processor_seconds()
            for _ in range(PAGES_EACH):
                started = time.perf_counter()
                next(iter(client.pages(device_pages(limit=100, **query))), [])
                times.append((time.perf_counter() - started) * 1_000)
            spent = (server.processor_seconds() - before) / PAGES_EACH
            for page in client.pages(device_pages(limit=1_000, **query)):
                found += len(page)
            report.tell(f"list: {name}", statistics.median(times), "ms", at_most=ALLOWED_PAGE_MS)
            report.tell("  processor time of a page", spent * 1_000, "ms")
            report.check(f"  finds {expected:,}", found == expected)


def known_again(server: Server, devices: int, report: Report) -> float:
    """Start the server and return the seconds until it serves and knows everybody."""
    seconds = server.start()
    report.tell("processor time that it took", server.processor_seconds(), "s")
    with Client(server.api, server.token) as client:
        names = {one.endpoint for page in client.pages(device_pages(limit=1_000)) for one in page}
    report.check("all known by name", names == {endpoint(index) for index in range(devices)})
    return seconds


if __name__ == "__main__":
    main()
