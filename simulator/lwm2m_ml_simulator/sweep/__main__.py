"""`python -m lwm2m_ml_simulator.sweep [EVERY]`: all scenarios; the last line is `N cut points, 0 failed`."""

import asyncio
import logging
import sys

import structlog

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml_simulator.sweep.control import JournalWithoutCommit
from lwm2m_ml_simulator.sweep.runs import SCENARIOS, Boundary, Sweep


async def main(every: int) -> int:
    """Sweep, print, and return how many cut points failed."""
    catalogue = Catalogue.shipped()
    points = failed = 0
    for scenario in SCENARIOS:
        results = await Sweep(scenario, catalogue).run(every)
        bad = [point for point in results if point.problem]
        points, failed = points + len(results), failed + len(bad)
        print(f"{scenario}: {len(results)} cut points, {len(bad)} failed", flush=True)
        for point in bad:
            print(f"  cut {point.number}: {point.problem}", flush=True)
    failed += await _control(catalogue, every)
    print(f"{points} cut points, {failed} failed")
    return failed


async def _control(catalogue: Catalogue, every: int) -> int:
    """The same with a journal that commits nothing: it has to fail, else the sweep sees nothing. Returns 1 if not."""
    scenario = next(one for one in SCENARIOS if one.boundary is Boundary.FLASH)
    points = await Sweep(scenario, catalogue, journal=JournalWithoutCommit).run(every)
    caught = sum(bool(point.problem) for point in points)
    verdict = f"{caught} of {len(points)} cuts fail, as they must" if caught else "DOES NOT FAIL"
    print(f"control without the journal's commit: {verdict}", flush=True)
    return int(not caught)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sys.exit(1 if asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)) else 0)
