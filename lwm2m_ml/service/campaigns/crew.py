"""The devices of one campaign at work: begun as the plan allows, saved at every step, stopped and taken back."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterable

import structlog

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignChanged, CampaignDevice, Roll, with_state
from lwm2m_ml.service.campaigns.diagnosis import Surroundings, explain_device
from lwm2m_ml.service.campaigns.failures import kind_of
from lwm2m_ml.service.campaigns.pace import Pace
from lwm2m_ml.service.campaigns.states import UNFINISHED_ACTIONS, CampaignAction, CampaignState, DeviceState
from lwm2m_ml.service.campaigns.work import Work

LONGEST_WAIT = 60.0
_BEGINS = (DeviceState.PENDING, DeviceState.RETRYING)
_GOING_FORWARD = tuple(state for state in DeviceState if state.under_way and state is not DeviceState.ROLLING_BACK)

log = structlog.get_logger(__name__)


class Crew:
    """Who works at the devices of a campaign. `campaign` is how it stands; the campaign's runner alone changes it."""

    def __init__(
        self, campaign: Campaign, devices: Iterable[CampaignDevice], work: Work, wake: Callable[[], None]
    ) -> None:
        """`wake` is called whenever something changed."""
        self.campaign = campaign
        self.roll = Roll(devices)
        self._work = work
        self._wake = wake
        self._pace = Pace(campaign.plan.windows, campaign.plan.rate)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._log = log.bind(campaign=campaign.id, model=campaign.model)
        for device in self.roll.among(*_GOING_FORWARD):
            work.occupy(device.endpoint, campaign.id)

    def resume(self) -> None:
        """Go on with what was under way when the server stopped."""
        for device in self.roll.among(*_GOING_FORWARD):
            self._start(device)

    async def stop(self) -> None:
        """End all work; what is not at an end stays as it is saved."""
        await self._end_tasks(list(self._tasks))

    def begin(self) -> float:
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

    async def save(self, *devices: CampaignDevice) -> None:
        """Persist first, then tell: nobody hears of a state that a crash could take back."""
        for device in devices:
            known = self.roll.rows.get(device.endpoint)
            if known is not None:
                known.check_step(device.state)
        await self._work.records.put_devices(self.campaign.id, devices)
        for device in devices:
            self.roll.put(device)
            self._work.bus.publish(CampaignChanged(self.campaign.id, self.campaign.state, device))
        self._wake()

    async def apply(self, action: CampaignAction) -> None:
        """Do with the devices what a step of the campaign brings about."""
        if action is CampaignAction.EXPIRE:
            await self._expire()
        if action in {CampaignAction.WITHDRAW, CampaignAction.ABORT, CampaignAction.TAKE_BACK}:
            await self._withdraw()
        if action in {CampaignAction.ABORT, CampaignAction.TAKE_BACK}:
            await self._take_back(everyone=action is CampaignAction.TAKE_BACK)

    def explain(self, device: CampaignDevice) -> str:
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
        self._wake()

    async def _run_device(self, device: CampaignDevice) -> None:
        try:
            if device.state is DeviceState.ROLLING_BACK:
                await self.save(await self._work.take_back(self.campaign, device))
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
        await self.save(device)

    def _goes_on(self) -> bool:
        return self.campaign.state not in UNFINISHED_ACTIONS

    async def _admit(self, size: int) -> None:
        """Wait until so many bytes may go over the air."""
        now = time.time()
        await asyncio.sleep(self._pace.reserve(size, now) - now)

    async def _expire(self) -> None:
        """Give up what has not come to an end in time, each device with what it was waiting for."""
        open_phases = self.campaign.phase if self._goes_on() else None
        late = self.roll.among(*(state for state in DeviceState if not state.final), up_to=open_phases)
        reasons = {device.endpoint: self.explain(device) for device in late}
        await self._end_tasks(reasons)
        left = [device for device in (self.roll.rows[endpoint] for endpoint in reasons) if not device.state.final]
        now = time.time()
        await self.save(
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
            await self.save(*(with_state(device, DeviceState.FAILED, now, device.reason) for device in tried))

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
        await self.save(*(with_state(device, state, now, why) for device in devices))

    async def _end_tasks(self, endpoints: Iterable[str]) -> None:
        tasks = [self._tasks[endpoint] for endpoint in endpoints if endpoint in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets what follows from their end happen
