"""The whole service and a fleet on virtual time: what would take days is over in seconds, the same way each time."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml_simulator.errors import NoServer
from lwm2m_ml_simulator.scenario.fleet import parse_fleet
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner
from lwm2m_ml_simulator.virtual.run import run_virtually
from lwm2m_ml_simulator.virtual.servers import load_server

DAY = 86_400.0
FINAL_STATES = {"active", "refused", "failed"}
SLEEPERS = """
name = "sleepers"
seed = 3
time = "virtual"
network = { latency = 0.05, jitter = 0.02, loss = 0.05 }

[[client]]
endpoint = "meter"
count = 10
lifetime = 3600
queue_awake = 20
join = { within = "10m" }

[[event]]
action = "vanish"
at = "6h"
devices = "meter-0000[1-3]"
"""


def operator(server: Any) -> AsyncClient:
    return AsyncClient("http://simulation", server.token, transport=httpx.ASGITransport(server.api))


def test_an_unknown_server_is_named_with_those_there_are() -> None:
    with pytest.raises(NoServer, match=r"'apache'.*lwm2m-ml"):
        load_server("apache")


async def a_day_of_sleepers(directory: Path) -> tuple[list[Any], ...]:
    """Run for a day; tells who was registered before, after and long after three devices vanished, and all traffic."""
    loop = asyncio.get_running_loop()
    traffic: list[Any] = []
    seen = []
    fleet = parse_fleet(SLEEPERS, "x.toml")
    async with (
        load_server()(directory) as server,
        operator(server) as client,
        FleetRunner(fleet, server.uri) as runner,
    ):
        for endpoint, device in runner.participants.items():

            def note(direction: str, data: bytes, *_: Any, endpoint: str = endpoint) -> None:
                traffic.append((round(loop.time(), 6), endpoint, direction, len(data)))

            device.radio.on_message = note
        for until in (0.2 * DAY, 0.26 * DAY, DAY):
            await asyncio.sleep(until - loop.time())
            seen.append(sorted(device.endpoint for device in await client.devices()))
    return *seen, traffic


def test_registrations_of_devices_that_vanished_expire_and_the_others_live_on(tmp_path: Path) -> None:
    before, soon_after, at_the_end, traffic = run_virtually(a_day_of_sleepers(tmp_path), seed=3)
    everybody = [f"meter-{number:05}" for number in range(1, 11)]
    assert before == everybody
    assert soon_after == everybody  # their lifetimes have not ended yet
    assert at_the_end == everybody[3:]
    assert max(moment for moment, *_ in traffic) > 0.98 * DAY


def test_a_seed_gives_the_same_traffic_to_the_microsecond(tmp_path: Path) -> None:
    one, other = (run_virtually(a_day_of_sleepers(tmp_path / name), seed=3) for name in ("one", "other"))
    assert len(one[-1]) > 400
    assert one == other


WORKERS = """
name = "workers"
seed = 5
network = { latency = 0.1, loss = 0.02 }

[[device]]
endpoint = "mcu"
target = "nrf52840"
slot_bytes = 65_536
count = 3
lifetime = 600
queue_awake = 15
inference_period_ms = 30_000
trial_period = 3600
join = { within = "30s" }

[[event]]
action = "power-cut"
at = "40s"
devices = "mcu-00002"
spread = "20s"
"""


async def deploy_and_infer(directory: Path) -> tuple[list[tuple[str, str]], list[int], float]:
    """Deploy digits to sleeping devices of which one loses its power, and let them infer for two hours."""
    loop = asyncio.get_running_loop()
    fleet = parse_fleet(WORKERS, "x.toml")
    async with load_server()(directory) as server, operator(server) as client:
        anchor = VerificationKey.from_pem((await client.trust_anchor()).pem.encode())
        async with FleetRunner(fleet, server.uri, trust_anchors=[anchor]) as runner:
            await asyncio.sleep(35)
            deployment = await client.deploy("digits", "all")
            while not all(row.state in FINAL_STATES for row in deployment.devices):
                assert loop.time() < 3600, deployment
                await asyncio.sleep(5)
                deployment = await client.deployment(deployment.id)
            done = loop.time()
            await asyncio.sleep(7200)
            inferred = [len(device.inferences) for device in runner.devices.values()]
            return [(row.endpoint, row.state) for row in deployment.devices], inferred, done


def test_a_deployment_to_sleeping_devices_takes_no_time(tmp_path: Path) -> None:
    states, inferred, done = run_virtually(deploy_and_infer(tmp_path), seed=5)
    assert sorted(states) == [(f"mcu-0000{number}", "active") for number in (1, 2, 3)]
    assert done > 35
    assert all(count >= 240 for count in inferred)  # one each half minute
