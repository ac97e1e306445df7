"""Watches every model in the field for drift: counts are read when a device is heard of, judged, and raise alarms.

A device is asked when it has just been heard of, because then it is awake, and at most once per period. What it has
counted since the last time is a window; the windows of all devices of a model, together, are the fleet's. The fleet is
judged by one node of a cluster, whoever drives the campaigns; the others tell it what was counted and installed.
"""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from lwm2m_ml.bus import Bus, Ownership, SoleOwner, Subscription
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.server.events import (
    DataSent,
    DeviceDeregistered,
    DeviceEvent,
    DeviceExpired,
    DeviceRegistered,
    DeviceUpdated,
)
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.monitoring.alarms import DRIFT, Alarms, Subject
from lwm2m_ml.service.monitoring.counters import Counters
from lwm2m_ml.service.monitoring.drift import DriftLimits, FeatureDrift, Judgement, judge
from lwm2m_ml.service.monitoring.fleet_windows import FleetWindows, ModelKey
from lwm2m_ml.service.monitoring.installed import Installed
from lwm2m_ml.service.monitoring.known_modules import KnownModule
from lwm2m_ml.service.monitoring.survey import Finding, survey
from lwm2m_ml.service.monitoring.suspicion import Action, Phase, standing, step
from lwm2m_ml.service.monitoring.watched import Watched
from lwm2m_ml.store.fence import CAMPAIGNS
from lwm2m_ml.store.watched_models import WatchedModelRepository

log = structlog.get_logger(__name__)

MAXIMUM_VISITS = 256
"""Devices asked at the same time; whoever is heard of meanwhile is asked the next time."""


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """How often a device is asked, in seconds."""

    period: float = 3600.0


@dataclass(frozen=True, slots=True)
class ModulesTold:
    """A device runs other modules than before; their digests in hexadecimal, by slot."""

    endpoint: str
    digests: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class WindowCounted:
    """A device of a fleet counted this since the last time, with the module of this digest in hexadecimal."""

    digest: str
    counters: Counters


class DriftWatch:
    """Visits devices and judges what they counted."""

    def __init__(
        self,
        access: DeviceAccess,
        repository: WatchedModelRepository,
        alarms: Alarms,
        bus: Bus,
        installed: Installed,
        *,
        model_object: int,
        result_object: int,
        limits: Callable[[str], DriftLimits] = lambda model: DriftLimits(),
        timing: WatchTiming = WatchTiming(),
        ownership: Ownership | None = None,
    ) -> None:
        """`limits` are those of a model, by its name."""
        self._ownership = ownership or SoleOwner()
        self._access = access
        self._repository = repository
        self._alarms = alarms
        self._bus = bus
        self._installed = installed
        self._objects = (model_object, result_object)
        self._limits = limits
        self._timing = timing
        self._fleet = FleetWindows(timing.period)
        self._fleet_phases: dict[ModelKey, dict[str, Phase]] = {}
        self._visited: dict[str, float] = {}
        self._visits: dict[str, asyncio.Task[None]] = {}
        self._subscriptions: tuple[Subscription, ...] = ()

    def start(self) -> None:
        """Visit devices from now on."""
        heard = (DataSent, DeviceUpdated, DeviceRegistered)
        left = (DeviceDeregistered, DeviceExpired)
        self._subscriptions = (
            *(self._bus.subscribe(kind, self._heard) for kind in heard),
            *(self._bus.subscribe(kind, self._left, everywhere=True) for kind in left),
            self._bus.subscribe(ModulesTold, self._told_elsewhere, everywhere=True, here=False),
            self._bus.subscribe(WindowCounted, self._counted_elsewhere, everywhere=True, here=False),
        )

    async def stop(self) -> None:
        """Visit nobody any more."""
        for subscription in self._subscriptions:
            subscription.cancel()
        visits = list(self._visits.values())
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    async def _heard(self, event: DeviceEvent) -> None:
        due = self._visited.get(event.endpoint, 0.0) + self._timing.period
        if time.time() < due or event.endpoint in self._visits or len(self._visits) >= MAXIMUM_VISITS:
            return
        self._visited[event.endpoint] = time.time()
        visit = asyncio.create_task(self._visit_safely(event.endpoint))
        self._visits[event.endpoint] = visit
        visit.add_done_callback(lambda _done: self._visits.pop(event.endpoint, None))

    async def _left(self, event: DeviceEvent) -> None:
        self._visited.pop(event.endpoint, None)
        self._installed.forget(event.endpoint)

    async def _visit_safely(self, endpoint: str) -> None:
        try:
            await self.visit(endpoint)
        except Lwm2mMlError as error:
            log.info("device could not be asked what it counted", endpoint=endpoint, reason=error.message)

    async def visit(self, endpoint: str) -> None:
        """Ask one device now and judge what it counted since the last time; raises what reading raises."""
        findings = await survey(self._access, endpoint, *self._objects)
        known = {record.slot: Watched.from_record(record) for record in await self._repository.of_endpoint(endpoint)}
        modules = {
            finding.slot: module for finding in findings if (module := await self._installed.find(finding.digest))
        }
        if self._installed.put(endpoint, modules):
            await self._alarms.clear_others(endpoint, {(one.model, one.version) for one in modules.values()})
            await self._clear_of_versions_gone()
            digests = {finding.slot: finding.digest.hex() for finding in findings if finding.slot in modules}
            self._bus.publish(ModulesTold(endpoint, digests))
        for slot in known.keys() - modules.keys():
            await self._repository.delete_slot(endpoint, slot)
        for finding in findings:
            if finding.slot in modules and finding.counters is not None:
                module = modules[finding.slot]
                await self._judge(endpoint, finding, finding.counters, module, known.get(finding.slot))

    async def _judge(
        self, endpoint: str, finding: Finding, counters: Counters, module: KnownModule, before: Watched | None
    ) -> None:
        if before is None or before.digest != finding.digest:
            before = Watched(finding.digest)
        window = counters.since(before.counters)
        limits = self._limits(module.model)
        now = time.time()
        judgement = None if module.baseline is None else judge(window, module.baseline, limits, module.inputs)
        if judgement is None and window.results < limits.samples:
            return  # too little to judge: the window grows until the next visit
        phases = before.phases
        if judgement is not None:
            phases = await self._take(judgement, phases, endpoint, module)
        await self._repository.put(Watched(finding.digest, counters, phases).to_record(endpoint, finding.slot, now))
        if self._judges_fleets:
            await self._judge_fleet(module, window, limits, now)
        else:
            self._bus.publish(WindowCounted(finding.digest.hex(), window))

    @property
    def _judges_fleets(self) -> bool:
        return self._ownership.has(CAMPAIGNS)

    async def _told_elsewhere(self, event: ModulesTold) -> None:
        found = {slot: await self._installed.find(bytes.fromhex(digest)) for slot, digest in event.digests.items()}
        modules = {slot: module for slot, module in found.items() if module is not None}
        if self._installed.put(event.endpoint, modules):
            await self._clear_of_versions_gone()

    async def _counted_elsewhere(self, event: WindowCounted) -> None:
        module = await self._installed.find(bytes.fromhex(event.digest)) if self._judges_fleets else None
        if module is not None:
            await self._judge_fleet(module, event.counters, self._limits(module.model), time.time())

    async def _clear_of_versions_gone(self) -> None:
        if self._judges_fleets:
            await self._alarms.clear_unless(self._installed.runs_somewhere)

    async def _judge_fleet(self, module: KnownModule, window: Counters, limits: DriftLimits, now: float) -> None:
        whole = self._fleet.add(module, window, now)
        if whole is None or whole.devices < 2 or whole.module.baseline is None:
            return
        judgement = judge(whole.counters, whole.module.baseline, limits, whole.module.inputs)
        if judgement is not None:
            key = (module.model, module.version)
            phases = self._fleet_phases.get(key, {})
            self._fleet_phases[key] = dict(await self._take(judgement, phases, "", whole.module))

    async def _take(
        self, judgement: Judgement, phases: Mapping[str, Phase], endpoint: str, module: KnownModule
    ) -> Mapping[str, Phase]:
        """Take each feature a step further; return how they stand now."""
        after: dict[str, Phase] = {}
        for feature in judgement.features:
            subject = Subject(DRIFT, endpoint, module.model, module.version, feature.feature)
            known = standing(phases.get(feature.feature, Phase.CALM), alarm_open=self._alarms.is_open(subject))
            phase, action = step(known, drifted=feature.drifted)
            after[feature.feature] = phase
            if action is Action.RAISE:
                shares = {"expected": list(feature.expected), "seen": list(feature.seen)}
                figures = {"samples": judgement.samples, **dataclasses.asdict(feature.distance), **shares}
                await self._alarms.raise_alarm(subject, sentence(subject, feature, judgement.samples), figures)
            elif action is Action.CLEAR:
                await self._alarms.clear(subject)
        return after


def sentence(subject: Subject, feature: FeatureDrift, samples: int) -> str:
    """Say what has drifted, where and how far, in one sentence."""
    where = f"on {subject.endpoint}" if subject.endpoint else "over all its devices"
    found = feature.distance
    return (
        f"{subject.feature} of {subject.model} {subject.version} has drifted {where}: population stability index "
        f"{found.stability_index:.2f}, Kolmogorov-Smirnov distance {found.kolmogorov_smirnov:.2f} in {samples} inputs"
    )
