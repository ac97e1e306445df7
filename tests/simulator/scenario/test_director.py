"""Events and what they do to devices, on virtual time against a small server."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml_simulator.scenario.events import Action, Event
from lwm2m_ml_simulator.scenario.fleet import parse_fleet
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner
from lwm2m_ml_simulator.sweep.server import SweepServer
from lwm2m_ml_simulator.virtual.run import run_virtually

Outcome = TypeVar("Outcome")
FLEET = """
name = "four"
seed = 1
[[client]]
endpoint = "meter"
count = 4
lifetime = 100
[[client.object]]
id = 3303
every = 10
resources = { 5700 = { mean = 20, amplitude = 5, period = "1h" }, 5701 = "Cel" }
"""
PUMP = """
[[device]]
endpoint = "pump"
target = "nrf52840"
slot_bytes = 8192
lifetime = 100
"""


def played(text: str, look: Callable[[FleetRunner], Awaitable[Outcome]], catalogue: Catalogue) -> Outcome:
    """Run a fleet and look at it."""

    async def run() -> Outcome:
        async with SweepServer(catalogue, patience=1.0) as server:
            fleet = parse_fleet(text, "x.toml")
            async with FleetRunner(fleet, server.uri, catalogue=catalogue) as runner:
                return await look(runner)

    return run_virtually(run(), seed=1)


def event(action: str, more: str = "") -> str:
    return f'[[event]]\naction = "{action}"\nat = 50\n{more}\n'


def registered(moments: list[float]) -> Callable[[FleetRunner], Awaitable[list[int]]]:
    """How many are registered at these moments."""

    async def look(runner: FleetRunner) -> list[int]:
        loop, seen = asyncio.get_running_loop(), []
        for moment in moments:
            await asyncio.sleep(moment - loop.time())
            seen.append(runner.registered)
        return seen

    return look


@pytest.mark.parametrize(
    ("happens", "seen"),
    [
        (event("power-cut", 'lasting = "30s"'), [4, 0, 4]),
        (event("vanish"), [4, 0, 0]),
        (event("leave", "lasting = 30"), [4, 0, 4]),
        (event("vanish", 'share = 0.5\ndevices = "meter-*"'), [4, 2, 2]),
        (event("vanish") + '[[event]]\naction = "return"\nat = 80\ndevices = "*2"\n', [4, 0, 1]),
        (event("reboot"), [4, 4, 4]),
        (event("move"), [4, 4, 4]),
        (event("rebind"), [4, 4, 4]),
        (event("power-cut", 'devices = "nobody"'), [4, 4, 4]),
    ],
)
def test_events_switch_devices_off_and_on(happens: str, seen: list[int], catalogue: Catalogue) -> None:
    assert played(FLEET + happens, registered([45, 60, 120]), catalogue) == seen


def test_devices_join_when_they_are_told_to(catalogue: Catalogue) -> None:
    text = FLEET.replace("lifetime = 100", "lifetime = 100\njoin = { at = 100, within = 100 }")
    seen = played(text, registered([99, 125, 150, 175, 201]), catalogue)
    assert (seen[0], seen[-1]) == (0, 4)
    assert all(before <= after for before, after in pairwise(seen))


def test_a_repeating_event_happens_until_its_end(catalogue: Catalogue) -> None:
    async def look(runner: FleetRunner) -> tuple[Counter[str], int]:
        await runner.run(1000)
        return runner.director.tally, runner.participants["meter-00001"].boots

    tally, boots = played(FLEET + event("reboot", 'every = "100s"\nuntil = 550\nspread = 20'), look, catalogue)
    assert tally == {"reboot": 24}
    assert boots == 7


def test_conditions_drift_clock_and_claims_change_and_some_change_back(catalogue: Catalogue) -> None:
    async def look(runner: FleetRunner) -> list[Any]:
        pump, loop, seen = runner.devices["pump"], asyncio.get_running_loop(), []
        for moment in (40, 60, 120):
            await asyncio.sleep(moment - loop.time())
            claims = {str(path): value for path, value in pump.claims.items()}
            seen.append((pump.radio.conditions.loss, runner.streams["pump"].drift, pump.clock.skew, claims))
        return seen

    happens = (
        event("network", "lasting = 60\nnetwork = { loss = 0.3 }")
        + event("drift", "lasting = 60\ndrift = 2")
        + event("clock", "clock_skew = -3600")
        + event("claim", 'claims = { "/3/0/3" = "9.9.9" }')
    )
    before, during, after = played('name = "x"\n' + PUMP + happens, look, catalogue)
    assert before == (0.0, 0.0, 0.0, {})
    assert during == (0.3, 2.0, -3600.0, {"/3/0/3": "9.9.9"})
    assert after == (0.0, 0.0, -3600.0, {"/3/0/3": "9.9.9"})


def test_a_moved_device_comes_from_another_address_and_a_rebound_one_from_another_port(catalogue: Catalogue) -> None:
    async def look(runner: FleetRunner) -> list[tuple[str, int]]:
        loop, seen = asyncio.get_running_loop(), []
        for moment in (40, 60, 80):
            await asyncio.sleep(moment - loop.time())
            client = runner.participants["meter-00001"].client
            assert client is not None
            seen.append(client.coap.local_address)
        return seen

    happens = event("rebind") + '[[event]]\naction = "move"\nat = 70\n'
    first, rebound, moved = played(FLEET + happens, look, catalogue)
    assert (first[0], moved[0] == first[0]) == (rebound[0], False)
    assert first[1] != rebound[1]


def test_a_seed_hits_the_same_devices_again_and_another_one_others() -> None:
    some = Event(Action.REBOOT, 0.0, share=0.3, spread=100.0)
    endpoints = [f"e{number}" for number in range(50)]

    def hits(seed: str) -> list[tuple[float, str]]:
        import random  # noqa: PLC0415

        return some.hits(endpoints, random.Random(seed))

    assert hits("1") == hits("1") != hits("2")
    assert len(hits("1")) == 15


def test_values_of_data_objects_move_with_time(catalogue: Catalogue) -> None:
    async def look(runner: FleetRunner) -> list[float]:
        seen = []
        for _ in range(3):
            await asyncio.sleep(900)
            client = runner.participants["meter-00001"].client
            assert client is not None
            (instance,) = client.tree.instances(3303)
            value = instance.read(5700)
            assert isinstance(value, float)
            seen.append(value)
        return seen

    assert played(FLEET, look, catalogue) == pytest.approx([25, 20, 15], abs=0.2)
