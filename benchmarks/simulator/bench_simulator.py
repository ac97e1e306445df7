"""How large a fleet fits into one process: `make bench-simulator`.

A server runs as a process of its own. This process simulates whole microcontrollers (flash, journal, slots, LwM2M
client, each with a UDP port of its own), registers all of them, and lets a campaign update a part of them at the same
time. It prints what that took. Equal inferences are executed once and taken over by the other devices, and it says how
many were executed. Exit code 1 when memory, ports or updates are not as they should be.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ServerUnreachableError
from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignRequest
from lwm2m_ml.logs import configure_logging
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.cli.running import allow_sockets
from lwm2m_ml_simulator.demonstration.server_process import server_process
from lwm2m_ml_simulator.modules.intake import Phase
from lwm2m_ml_simulator.scenario.fleet import parse_fleet
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

MEMORY_LIMIT = 3 * 1000**3
PATIENCE = 1500.0
FLEET = """
name = "bench"
seed = 1
[[device]]
endpoint = "mcu"
target = "nrf52840"
slot_bytes = 65_536
count = {devices}
lifetime = 7200
trial_period = 3600
inference_period_ms = 20_000
executed_share = 0.001
"""


def megabytes() -> float:
    """Peak of the resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def updating(runner: FleetRunner) -> int:
    """How many devices have a package on its way, or a module on trial."""
    count = 0
    for device in runner.devices.values():
        firmware = device.firmware
        if firmware is not None:
            count += any(intake.phase is Phase.DOWNLOADING for intake in firmware.intakes)
    return count


async def measure(devices: int, updates: int) -> dict[str, object]:
    """Register, update, count."""
    fleet = parse_fleet(FLEET.format(devices=devices), "bench")
    with tempfile.TemporaryDirectory(prefix="lwm2m-bench-") as folder:
        async with (
            server_process(Path(folder) / "data", log=Path(folder) / "server.log") as server,
            AsyncClient(server.api, server.token) as client,
        ):
            anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode())
            runner = FleetRunner(fleet, server.coap, trust_anchors=[anchor], kept_inferences=2)
            async with runner:
                facts = await registered(runner, devices)
                print(json.dumps(facts), flush=True)
                facts |= await updated(runner, client, updates)
                facts["peak_megabytes"] = round(megabytes())
                facts["executed"] = runner.pool.outcomes.executed
                facts["taken_over"] = runner.pool.outcomes.taken_over
    return facts


async def registered(runner: FleetRunner, devices: int) -> dict[str, object]:
    """Wait until everybody is registered."""
    began, busy = time.perf_counter(), time.process_time()
    for _ in range(round(PATIENCE / 0.5)):
        if runner.registered == devices:
            break
        await asyncio.sleep(0.5)
    seconds = time.perf_counter() - began
    ports = {device.client.coap.local_address[1] for device in runner.devices.values() if device.client is not None}
    return {
        "devices": devices,
        "registered": runner.registered,
        "ports": len(ports),
        "registered_in_seconds": round(seconds, 1),
        "milliseconds_of_processor_per_device": round((time.process_time() - busy) / devices * 1e3, 2),
        "megabytes_registered": round(megabytes()),
    }


async def updated(runner: FleetRunner, client: AsyncClient, updates: int) -> dict[str, object]:
    """Update some of them, all at once."""
    endpoints = list(runner.devices)[:updates]
    plan = {"phases": [{"size": "100%"}], "rate": {"at_once": updates}, "thresholds": {"errors": 100.0}}
    request = CampaignRequest(model="digits", endpoints=endpoints, plan=plan)
    began, most = time.perf_counter(), 0
    campaign: Campaign = await client.start_campaign(request)
    while not campaign.finished and time.perf_counter() - began < PATIENCE:
        await asyncio.sleep(1.0)
        most = max(most, updating(runner))
        # A server with this much to do lets connections go; the next look is as good as this one.
        with contextlib.suppress(ServerUnreachableError):
            campaign = await client.campaign(campaign.id)
    active = sum(
        device.firmware is not None and device.firmware.modules.in_use is not None for device in runner.devices.values()
    )
    return {
        "updates": updates,
        "tally": dict(Counter(campaign.tally)),
        "with_module": active,
        "most_at_the_same_time": most,
        "updated_in_seconds": round(time.perf_counter() - began, 1),
    }


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--updates", type=int, default=1_000)
    arguments = parser.parse_args()
    configure_logging(level="error")
    allow_sockets(arguments.devices)
    facts = asyncio.run(measure(arguments.devices, arguments.updates))
    print(json.dumps(facts, indent=2))
    good = (
        facts["registered"] == facts["ports"] == arguments.devices
        and facts["with_module"] == arguments.updates
        and megabytes() * 1024**2 < MEMORY_LIMIT
    )
    print("bench-simulator: " + ("holds" if good else "does NOT hold"))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
