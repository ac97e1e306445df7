"""Drives one campaign: begins devices as the plan allows, judges what came of them, and does what the table says.

Every change is on disk before anything follows from it, so a server that is killed goes on where it was: devices that
were under way are resumed, everything else follows from the stored rows.
"""

import asyncio
import dataclasses
import time
from collections.abc import Iterable

import structlog

from lwm2m_ml.errors import ConflictError, Lwm2mMlError
from lwm2m_ml.service.campaigns.campaign import (
    Campaign,
    CampaignChanged,
    CampaignDevice,
    CampaignNote,
    Roll,
    with_state,
)
from lwm2m_ml.service.campaigns.diagnosis import Surroundings, explain_campaign, explain_device
from lwm2m_ml.service.campaigns.failures import kind_of
from lwm2m_ml.service.campaigns.gates import Verdict, decide
from lwm2m_ml.service.campaigns.judgement import judge, next_look
from lwm2m_ml.service.campaigns.pace import Pace
from lwm2m_ml.service.campaigns.states import (
    UNFINISHED_ACTIONS,
    CampaignAction,
    CampaignEvent,
    CampaignState,
    DeviceState,
    step,
)
from lwm2m_ml.service.campaigns.witnesses import Witnesses
from lwm2m_ml.service.campaigns.work import Work

SERVICE = "service"
LONGEST_WAIT = 60.0
BETWEEN_LOOKS = 0.02
"""Seconds to gather news, so that a thousand devices that change at once cost a few looks, not a thousand."""
_BEGINS = (DeviceState.PENDING, DeviceState.RETRYING)
_GOING_FORWARD = tuple(state for state in DeviceState if state.under_way and state is not DeviceState.ROLLING_BACK)

log = structlog.get_logger(__name__)


class CampaignRunner:
    """One campaign that is not over yet."""

    def __init__(self, campaign: Campaign, devices: Iterable[CampaignDevice], work: Work) -> None:
        self.campaign = campaign
        self.roll = Roll(devices)
        self._work = work
        self._witnesses = Witnesses(work)
        self._pace = Pace(campaign.plan.windows, campaign.plan.rate)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._log = log.bind(campaign=campaign.id, model=campaign.model)
        for device in self.roll.among(*_GOING_FORWARD):
            work.occupy(device.endpoint, campaign.id)

    def wake(self) -> None:
        """Have the campaign looked at again."""
        self._news.set()

    async def run(self) -> None:
        """Go on until the campaign is over."""
        watching = asyncio.create_task(self._watch_witnesses(), name=f"{self.campaign.id} witnesses")
        try:
            await self._resume()
            while not self.campaign.finished:
                await self._look()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._end_tasks(list(self._tasks))

    async def command(self, event: CampaignEvent, who: str, reason: str = "") -> None:
        """Do what an operator wants; raises `ConflictError` when the campaign's state does not allow it."""
        async with self._turn:
            if step(self.campaign.state, event) is None:
                raise ConflictError(
                    f"Campaign {self.campaign.id} is {self.campaign.state}: {event} means nothing in that state"
                )
            await self._take(event, who, reason)
        self.wake()

    async def join(self, endpoint: str) -> None:
        """Add a device that came later, to the last phase."""
        async with self._turn:
            if endpoint in self.roll.rows or self.campaign.finished:
                return
            device = CampaignDevice(endpoint, phase=self.campaign.last_phase, since=time.time())
            await self._save(device)
            await self._note(SERVICE, f"{endpoint} joined, in phase {device.phase + 1}")
        self.wake()

    def explain(self) -> str:
        """Say in a sentence what the campaign waits for."""
        return explain_campaign(self.campaign, self.roll, self._verdict(), time.time())

    def explain_device(self, device: CampaignDevice) -> str:
        """Say in a sentence what a device waits for."""
        access, now = self._work.access, time.time()
        around = Surroundings(
            pace=self._pace.why_not(now),
            busy_with=self._work.occupant(device.endpoint, self.campaign.id),
            registered=access.last_seen(device.endpoint) is not None,
            awake=access.awake(device.endpoint),
            last_seen=access.last_seen(device.endpoint),
        )
        return explain_device(self.campaign, device, around, now)

    # One look

    async def _look(self) -> None:
        """Begin what may begin, take the event that is due; without one wait for news or for time to pass."""
        self._news.clear()
        async with self._turn:
            wait = self._begin_devices()
            judgement = judge(self.campaign, self.roll, self._verdict(), time.time())
            if judgement is not None:
                await self._take(judgement.event, SERVICE, judgement.reason)
                return
        wait = min(wait, next_look(self.campaign, time.time()) - time.time(), LONGEST_WAIT)
        try:
            async with asyncio.timeout(max(0.0, wait)):
                await self._news.wait()
                await asyncio.sleep(BETWEEN_LOOKS)
        except TimeoutError:
            return

    def _verdict(self) -> Verdict:
        active = self.roll.count(DeviceState.ACTIVE, up_to=self.campaign.phase)
        return decide(self.campaign.plan.gates, self._witnesses.evidence, active)

    async def _watch_witnesses(self) -> None:
        """Ask active devices how they do; one that fell back by itself has failed."""
        while self.campaign.plan.gates.any:
            lost = await self._witnesses.ask(self.roll)
            async with self._turn:
                for endpoint in lost:
                    device = self.roll.rows[endpoint]
                    if device.state is DeviceState.ACTIVE:
                        reason = "the device fell back by itself"
                        await self._save(with_state(device, DeviceState.FAILED, time.time(), reason))
            self.wake()
            await asyncio.sleep(self._work.timing.evidence)

    # Devices

    async def _resume(self) -> None:
        """Go on with what was under way when the server stopped."""
        async with self._turn:
            for device in self.roll.among(*_GOING_FORWARD):
                self._start(device)
            unfinished = UNFINISHED_ACTIONS.get(self.campaign.state)
            if unfinished is not None:
                await self._apply(unfinished)

    def _begin_devices(self) -> float:
        """Begin devices, as fast as the plan allows; returns when to look again, in seconds."""
        wait = LONGEST_WAIT
        for device in self._waiting():
            now = time.time()
            if len(self._tasks) >= self.campaign.plan.rate.at_once:
                break
            goes_back = device.state is DeviceState.ROLLING_BACK
            due = now if goes_back else max(device.due_at or 0.0, self._pace.may_begin_at(now))
            if due > now:
                wait = min(wait, due - now)
            elif self._may_begin(device.endpoint):
                if not goes_back:
                    self._pace.begin(now)
                self._start(device)
        return wait

    def _waiting(self) -> list[CampaignDevice]:
        """Return the devices that could begin: to go forward in open phases, or to be rolled back."""
        back = self.roll.among(DeviceState.ROLLING_BACK)
        if self.campaign.state is not CampaignState.RUNNING:
            return back
        return back + self.roll.among(*_BEGINS, up_to=self.campaign.phase)

    def _may_begin(self, endpoint: str) -> bool:
        """Whether the device is not at work already, awake, and not at work for another campaign."""
        if endpoint in self._tasks or not self._work.access.awake(endpoint):
            return False
        return self._work.occupy(endpoint, self.campaign.id)

    def _start(self, device: CampaignDevice) -> None:
        task = asyncio.create_task(self._run_device(device), name=f"{self.campaign.id} {device.endpoint}")
        self._tasks[device.endpoint] = task
        task.add_done_callback(lambda done: self._ended(device.endpoint, done))

    def _ended(self, endpoint: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(endpoint) is task:
            del self._tasks[endpoint]
            self._work.vacate(endpoint, self.campaign.id)
        self.wake()

    async def _run_device(self, device: CampaignDevice) -> None:
        try:
            if device.state is DeviceState.ROLLING_BACK:
                await self._save(await self._work.take_back(self.campaign, device))
                return
            if not device.state.under_way:
                device = dataclasses.replace(device, attempts=device.attempts + 1, due_at=None)
            await self._work.bring(self.campaign, device, self._save_attempt, self._admit)
        except Lwm2mMlError as error:  # only the store can still fail; the next start goes on from what it has
            self._log.error("a campaign stopped at a device", endpoint=device.endpoint, reason=str(error))

    async def _save_attempt(self, device: CampaignDevice) -> None:
        """Save a device's row; a failure that another attempt may cure is not the end."""
        retry = self.campaign.plan.retry
        if device.state is DeviceState.FAILED and self._goes_on():
            kind = kind_of(device.reason)
            if retry.allows(kind, device.attempts):
                due = device.since + retry.delay_after(device.attempts)
                device = dataclasses.replace(device, state=DeviceState.RETRYING, due_at=due)
        await self._save(device)

    def _goes_on(self) -> bool:
        return self.campaign.state not in UNFINISHED_ACTIONS

    async def _admit(self, size: int) -> None:
        """Wait until so many bytes may go over the air."""
        now = time.time()
        await asyncio.sleep(self._pace.reserve(size, now) - now)

    async def _save(self, *devices: CampaignDevice) -> None:
        """Persist first, then tell: nobody hears of a state that a crash could take back."""
        for device in devices:
            known = self.roll.rows.get(device.endpoint)
            if known is not None:
                known.check_step(device.state)
        await self._work.records.put_devices(self.campaign.id, devices)
        for device in devices:
            self.roll.put(device)
            self._work.bus.publish(CampaignChanged(self.campaign.id, self.campaign.state, device))
        self.wake()

    # Events

    async def _take(self, event: CampaignEvent, who: str, reason: str) -> None:
        """Make the step that the table names: on disk first, then what it brings about."""
        found = step(self.campaign.state, event)
        if found is None:
            return
        state, action = found
        after = self._after(state, action, reason)
        await self._work.records.put(after)
        await self._note(who, _sentence(event, after))
        self.campaign = after
        self._log.info("campaign", event_seen=str(event), state=str(state), who=who, reason=reason)
        self._work.bus.publish(CampaignChanged(self.campaign.id, self.campaign.state))
        await self._apply(action)

    def _after(self, state: CampaignState, action: CampaignAction, reason: str) -> Campaign:
        """Return the campaign after a step; its time begins anew unless it stays as it is."""
        campaign = self.campaign
        stays = state is campaign.state and action is not CampaignAction.OPEN_NEXT
        return dataclasses.replace(
            campaign,
            state=state,
            reason=reason or (campaign.reason if stays or campaign.state in UNFINISHED_ACTIONS else ""),
            phase=campaign.phase + (action is CampaignAction.OPEN_NEXT),
            forgiven=self.roll.count(DeviceState.FAILED) if action is CampaignAction.FORGIVE else campaign.forgiven,
            since=campaign.since if stays else time.time(),
        )

    async def _apply(self, action: CampaignAction) -> None:
        if action is CampaignAction.EXPIRE:
            await self._expire()
        if action in {CampaignAction.WITHDRAW, CampaignAction.ABORT, CampaignAction.TAKE_BACK}:
            await self._withdraw()
        if action in {CampaignAction.ABORT, CampaignAction.TAKE_BACK}:
            await self._take_back(everyone=action is CampaignAction.TAKE_BACK)

    async def _expire(self) -> None:
        """Give up what has not come to an end in time, each device with what it was waiting for."""
        open_phases = self.campaign.phase if self._goes_on() else None
        late = self.roll.among(*(state for state in DeviceState if not state.final), up_to=open_phases)
        reasons = {device.endpoint: self.explain_device(device) for device in late}
        await self._end_tasks(reasons)
        left = [device for device in (self.roll.rows[endpoint] for endpoint in reasons) if not device.state.final]
        now = time.time()
        await self._save(
            *(
                with_state(device, DeviceState.FAILED, now, f"out of time: {reasons[device.endpoint]}")
                for device in left
            )
        )

    async def _withdraw(self) -> None:
        """Begin no further device: those that nothing was done with are cancelled, the others go on."""
        idle = [device for device in self.roll.among(*_BEGINS) if device.endpoint not in self._tasks]
        await self._end([device for device in idle if device.module_digest is None], DeviceState.CANCELLED)
        if self.campaign.state is CampaignState.CANCELLING:
            now = time.time()
            tried = [device for device in idle if device.module_digest is not None]
            await self._save(*(with_state(device, DeviceState.FAILED, now, device.reason) for device in tried))

    async def _take_back(self, *, everyone: bool) -> None:
        """Stop devices that are under way; what may hold the module by now is rolled back, active ones on demand."""
        kinds = [state for state in DeviceState if not state.final and state is not DeviceState.ROLLING_BACK]
        touched = [device.endpoint for device in self.roll.among(*kinds, *([DeviceState.ACTIVE] if everyone else []))]
        await self._end_tasks(touched)
        left = [self.roll.rows[endpoint] for endpoint in touched]
        left = [
            device for device in left if not device.state.final or (everyone and device.state is DeviceState.ACTIVE)
        ]
        await self._end([device for device in left if device.module_digest is None], DeviceState.CANCELLED)
        await self._end([device for device in left if device.module_digest is not None], DeviceState.ROLLING_BACK)

    async def _end(self, devices: Iterable[CampaignDevice], state: DeviceState) -> None:
        """Save devices in a state that the campaign's own reason explains."""
        now, why = time.time(), self.campaign.reason or f"the campaign is {self.campaign.state}"
        await self._save(*(with_state(device, state, now, why) for device in devices))

    async def _end_tasks(self, endpoints: Iterable[str]) -> None:
        tasks = [self._tasks[endpoint] for endpoint in endpoints if endpoint in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets what follows from their end happen

    async def _note(self, who: str, text: str) -> None:
        await self._work.records.note(self.campaign.id, CampaignNote(time.time(), who, text))


def _sentence(event: CampaignEvent, campaign: Campaign) -> str:
    opens = event in {CampaignEvent.PASSED, CampaignEvent.APPROVE}
    what = f"phase {campaign.phase + 1} opens" if opens else f"the campaign is {campaign.state}"
    return f"{event}: {what}" + (f"; {campaign.reason}" if campaign.reason else "")
