"""A share of the power-cut sweep; `python -m lwm2m_ml_simulator.sweep` does all of it."""

import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml_simulator.sweep.control import JournalWithoutCommit
from lwm2m_ml_simulator.sweep.runs import SCENARIOS, Boundary, Payload, Scenario, Sweep

FLASH_STRIDE, MESSAGE_STRIDE = 8, 23


def sampled(scenario: Scenario) -> int:
    return FLASH_STRIDE if scenario.boundary is Boundary.FLASH else MESSAGE_STRIDE


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_the_device_always_has_a_module_and_the_update_ends(catalogue: Catalogue, scenario: Scenario) -> None:
    if scenario.payload is Payload.DELTA:
        pytest.importorskip("detools", reason="deltas need the extra [delta]")
    every = sampled(scenario)
    points = await Sweep(scenario, catalogue).run(every, first=SCENARIOS.index(scenario) % every)
    assert [point for point in points if point.problem] == []
    assert len(points) >= 2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", ["nrf52840", "stm32l053", "samd21"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_every_cut_point_on_the_flash_of_several_targets(
    catalogue: Catalogue, scenario: Scenario, target: str
) -> None:
    if scenario.payload is Payload.DELTA:
        pytest.importorskip("detools", reason="deltas need the extra [delta]")
    points = await Sweep(scenario, catalogue, target=target).run()
    assert [point for point in points if point.problem] == []
    assert len(points) >= 20


async def test_without_the_journals_commit_the_sweep_fails(catalogue: Catalogue) -> None:
    points = await Sweep(SCENARIOS[0], catalogue, journal=JournalWithoutCommit).run(40, first=1)
    assert any("ModuleLost" in point.problem for point in points)
