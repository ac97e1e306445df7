"""The whole fleet in a few figures."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lwm2m_ml.server.registration import Registration
from lwm2m_ml.service.device_query import DEVICES_PER_TURN
from lwm2m_ml.service.profiles import CapabilityProfile


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """How many devices there are of which kind; `late` have not renewed their registration in time but may still.

    `idle` have an ML runtime and run nothing; `targets` and `running` (models with versions) count devices.
    """

    devices: int
    runtimes: int
    idle: int
    late: int
    alarmed: int
    alarms: int
    targets: Mapping[str, int]
    running: Mapping[str, int]


async def summarise(
    registrations: tuple[Registration, ...],
    profile: Callable[[str], CapabilityProfile | None],
    alarms: Mapping[str, int],
) -> FleetSummary:
    """Count devices; others get their turn in between."""
    targets: Counter[str] = Counter()
    running: Counter[str] = Counter()
    idle = late = 0
    now = time.time()
    for start in range(0, len(registrations), DEVICES_PER_TURN):
        for registration in registrations[start : start + DEVICES_PER_TURN]:
            late += registration.updated_at + registration.parameters.lifetime < now
            known = profile(registration.endpoint)
            if known is None or known.runtime is None:
                continue
            targets[known.runtime.target] += 1
            running.update(known.running)
            idle += not known.running
        await asyncio.sleep(0)
    return FleetSummary(
        devices=len(registrations),
        runtimes=targets.total(),
        idle=idle,
        late=late,
        alarmed=len(alarms),
        alarms=sum(alarms.values()),
        targets=dict(targets.most_common()),
        running=dict(running.most_common()),
    )
