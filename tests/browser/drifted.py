"""A drift alarm, judged from counts as the service judges those of a device, for a page to show."""

import asyncio
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lwm2m_ml.bus import Bus
from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml.service.monitoring.alarms import DRIFT, Alarms, Subject
from lwm2m_ml.service.monitoring.baseline import DriftBaseline
from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.drift import DriftLimits, judge
from lwm2m_ml.service.monitoring.drift_watch import sentence
from lwm2m_ml.store.store import Store

SUBJECT = Subject(DRIFT, "press-7", "vibration", "2.1.0", "acceleration x")
EXPECTED = (0.25, 0.25, 0.25, 0.25)
COUNTED = (50, 100, 250, 600)
REFERENCE = DriftReference((0.0,), (1.0,), ((-0.67, 0.0, 0.67),), (EXPECTED,))


def raise_alarm(directory: Path) -> None:
    """Raise it in the database of a server that does not run yet."""
    # In a thread of its own: Playwright runs a loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_raise(directory))).result()


async def _raise(directory: Path) -> None:
    window = Counters(sum(COUNTED), histogram=COUNTED)
    judged = judge(window, DriftBaseline(REFERENCE, 100_000, (1.0,)), DriftLimits(), (SUBJECT.feature,))
    assert judged is not None
    (feature,) = judged.drifted
    shares = {"expected": list(feature.expected), "seen": list(feature.seen)}
    figures = {"samples": judged.samples, **dataclasses.asdict(feature.distance), **shares}
    store = await Store.open(f"sqlite+aiosqlite:///{directory / 'lwm2m-ml.sqlite3'}")
    await Alarms(store.alarms, Bus()).raise_alarm(SUBJECT, sentence(SUBJECT, feature, judged.samples), figures)
    await store.close()
