"""A simulated fleet that sleeps, loses datagrams and power, and moves, managed by a server on Leshan's library."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio

from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml_simulator.scenario.fleet import parse_fleet
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

pytestmark = [pytest.mark.interop, pytest.mark.timeout(720)]  # the first one may have to download

FLEET = """
name = "mixed"
seed = 5
network = { latency = 0.01, jitter = 0.005, loss = 0.05, duplication = 0.05, reordering = 0.05 }

[[client]]
endpoint = "lamp"
count = 20
version = "1.1"
lifetime = 60
[[client.object]]
id = 3311
resources = { 5850 = false, 5851 = 100 }
writable = [5850, 5851]

[[client]]
endpoint = "old"
count = 5
version = "1.0"
lifetime = 60

[[device]]
endpoint = "pump"
target = "nrf52840"
slot_bytes = 65_536
count = 5
lifetime = 60

[[event]]
action = "power-cut"
at = 4
devices = "lamp-*"
share = 0.25
lasting = 0.5

[[event]]
action = "move"
at = 4
devices = "pump-*"
"""
ENDPOINTS = {f"{kind}-{n:05}" for kind, count in (("lamp", 20), ("old", 5), ("pump", 5)) for n in range(1, count + 1)}


@pytest_asyncio.fixture
async def manager(start_peer: Any, models: str) -> Any:
    """Leshan's server; `uri` is where devices register."""
    peer = await start_peer("Manager", models)
    peer.uri = (await peer.told("started"))["uri"]
    return peer


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - devices that restart have no common event
            await asyncio.sleep(0.1)


async def test_a_whole_fleet_registers_is_managed_and_comes_back(manager: Any) -> None:
    async with FleetRunner(parse_fleet(FLEET, "mixed"), manager.uri, join_interval=0.05) as runner:
        seen = {(await manager.told("registered"))["endpoint"] for _ in ENDPOINTS}
        assert seen == ENDPOINTS
        await reached(lambda: runner.registered == len(ENDPOINTS))
        for endpoint in ("lamp-00001", "old-00003", "pump-00005"):
            answer = await manager.ask("read", endpoint=endpoint, path="/3/0/2", format=ContentFormat.TLV)
            assert (answer["code"], answer["values"]) == (205, {"/3/0/2": endpoint})
        await reached(lambda: runner.director.tally == {"power-cut": 5, "move": 5})
        came_back = {(await manager.told("registered"))["endpoint"] for _ in range(5)}
        assert len(came_back) == 5
        assert all(endpoint.startswith("lamp-") for endpoint in came_back)
        await reached(lambda: runner.registered == len(ENDPOINTS))
        moved = await manager.ask("read", endpoint="pump-00002", path="/3/0/2", format=ContentFormat.TLV)
        assert moved["values"] == {"/3/0/2": "pump-00002"}
