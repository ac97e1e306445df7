"""Page through many devices over HTTP: `python benchmarks/api/bench_pages.py [--devices 10000] [--rounds 5]`.

The devices are written into the database of a fresh server, which then runs as a process of its own, as always.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lwm2m_ml.client.client import Client
from lwm2m_ml.client.device_calls import devices
from lwm2m_ml.service.profiles import CapabilityProfile, DeviceIdentity, MlRuntime
from lwm2m_ml.store import Store
from lwm2m_ml.store.registrations import RegistrationRecord

ALLOWED_MS = 100.0
TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
QUERIES: dict[str, dict[str, Any]] = {
    "all, 100 a page": {"limit": 100},
    "all, 1,000 a page": {"limit": 1_000},
    "newest first": {"limit": 100, "sort": "-last_seen"},
    "by pattern and target": {"limit": 100, "endpoint": "plant-1*", "target": "cortex-m*"},
    "none fits": {"limit": 100, "manufacturer": "nobody"},
}


async def fill(directory: Path, number: int) -> None:
    """Write registrations and profiles as the server does."""
    store = await Store.open(f"sqlite+aiosqlite:///{directory / 'lwm2m-ml.sqlite3'}")
    now = time.time()
    for index in range(number):
        endpoint = f"plant-{index % 10}-sensor-{index:06}"
        written = store.registrations.put(registration(endpoint, index, now - index % 86_400))
        store.device_profiles.put(endpoint, profile(endpoint, index).to_json())
    await written
    await store.close()


def registration(endpoint: str, index: int, seen: float) -> RegistrationRecord:
    objects = {f"/{path}": "" for path in ("1/0", "3/0", "9/0", "9/1", "42769/0", "42770/0", "42771/0")}
    parameters = {
        "sms": None,
        "objects": objects,
        "content_formats": [60, 110, 112],
        "root_path": "",
        "profile_id": None,
        "attributes": {},
        "scheme": "coap",
    }
    host = f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"
    return RegistrationRecord(
        endpoint, f"l{index}", host, 5683, None, 10 * 86_400, "1.1", "U", False, json.dumps(parameters), seen, seen
    )


def profile(endpoint: str, index: int) -> CapabilityProfile:
    runtime = MlRuntime(
        instance=0, name="runtime", version="1", target=TARGETS[index % len(TARGETS)], working_memory_total=65_536,
        storage_total=262_144, storage_free=131_072, maximum_module_size=131_072, slots=2, free_slots=1, formats=(0,),
        operator_set="1", data_types=(0,), encodings=(0,), signature_algorithms=(-8,), trust_anchors=(bytes(32),),
        vendor_id=bytes(16), class_id=bytes(16), instruction_set=("v7e-m",),
    )  # fmt: skip
    return CapabilityProfile(endpoint, DeviceIdentity("Acme", f"M{index % 7}"), (runtime,))


@contextmanager
def served(directory: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "lwm2m_ml", "serve", "--json", "--insecure", "--coap-port", "0", "--api-port", "0"]
    command += ["--data-directory", str(directory), "--log-level", "error"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()) | {"process": process.pid}
        finally:
            process.send_signal(signal.SIGINT)


def processor_seconds(process: int) -> float:
    """What a process and its threads took of the processors (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(client: Client, query: dict[str, Any], rounds: int) -> tuple[int, int, list[float]]:
    """Devices and pages of a query, and the milliseconds of each page."""
    times: list[float] = []
    for _ in range(rounds):
        found, pages, started = 0, 0, time.perf_counter()
        for page in client.pages(devices(**query)):
            times.append((time.perf_counter() - started) * 1_000)
            found, pages, started = found + len(page), pages + 1, time.perf_counter()
    return found, pages, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="lwm2m-ml-bench-") as name:
        asyncio.run(fill(Path(name), chosen.devices))
        with served(Path(name)) as where, Client(where["api"], where["token"]) as client:
            head = f"{'query':<24}{'devices':>9}{'pages':>7}{'median ms':>11}{'p95 ms':>9}{'worst ms':>10}"
            print(f"{head}{'server CPU ms':>15}")
            for text, query in QUERIES.items():
                before = processor_seconds(where["process"])
                found, pages, times = measure(client, query, chosen.rounds)
                if len(query) == 1 and found != chosen.devices:
                    sys.exit(f"{found} of {chosen.devices} devices were listed")
                taken = (processor_seconds(where["process"]) - before) * 1_000 / len(times)
                ordered = sorted(times)
                p95 = ordered[int(0.95 * (len(ordered) - 1))]
                worst = max(worst, statistics.median(times))
                row = f"{statistics.median(times):>11.1f}{p95:>9.1f}{ordered[-1]:>10.1f}{taken:>15.1f}"
                print(f"{text:<24}{found:>9,}{pages:>7}{row}")
    if worst > ALLOWED_MS:
        sys.exit(f"The median page of a query took {worst:.0f} ms; {ALLOWED_MS:.0f} ms are allowed")


if __name__ == "__main__":
    main()
