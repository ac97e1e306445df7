"""Drives one campaign: has its crew begin devices, judges what came of them, and does what the table says.

Every change is on disk before anything follows from it, so a server that is killed goes on where it was: devices that
were under way are resumed, everything else follows from the stored rows.
"""

import asyncio
import dataclasses
import time
from collections.abc import Iterable

import structlog

from lwm2m_ml.errors import ConflictError
from lwm2m_ml.service.campaigns.campaign import (
    Campaign,
    CampaignChanged,
    CampaignDevice,
    CampaignNote,
    Roll,
    with_state,
)
from lwm2m_ml.service.campaigns.crew import LONGEST_WAIT, Crew
from lwm2m_ml.service.campaigns.diagnosis import explain_campaign
from lwm2m_ml.service.campaigns.gates import Verdict, decide
from lwm2m_ml.service.campaigns.judgement import judge, next_look
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
BETWEEN_LOOKS = 0.02
"""Seconds to gather news, so that a thousand devices that change at once cost a few looks, not a thousand."""

log = structlog.get_logger(__name__)


class CampaignRunner:
    """One campaign that is not over yet."""

    def __init__(self, campaign: Campaign, devices: Iterable[CampaignDevice], work: Work) -> None:
        self._work = work
        self._crew = Crew(campaign, devices, work, self.wake)
        self._witnesses = Witnesses(work)
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._log = log.bind(campaign=campaign.id, model=campaign.model)

    @property
    def campaign(self) -> Campaign:
        """The campaign as it stands."""
        return self._crew.campaign

    @property
    def roll(self) -> Roll:
        """Its devices."""
        return self._crew.roll

    def wake(self) -> None:
        """Have the campaign looked at again."""
        self._news.set()

    @property
    def id(self) -> str:
        """The campaign's."""
        return self.campaign.id

    @property
    def state(self) -> CampaignState:
        """The campaign's."""
        return self.campaign.state

    @property
    def finished(self) -> bool:
        """Whether the campaign is over."""
        return self.campaign.finished

    async def drive(self) -> None:
        """Go on until the campaign is over."""
        watching = asyncio.create_task(self._watch_witnesses(), name=f"{self.campaign.id} witnesses")
        try:
            await self._resume()
            while not self.campaign.finished:
                await self._look()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._crew.stop()

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
            await self._crew.save(device)
            await self._note(SERVICE, f"{endpoint} joined, in phase {device.phase + 1}")
        self.wake()

    def explain(self) -> str:
        """Say in a sentence what the campaign waits for."""
        return explain_campaign(self.campaign, self.roll, self._verdict(), time.time())

    def explain_device(self, device: CampaignDevice) -> str:
        """Say in a sentence what a device waits for."""
        return self._crew.explain(device)

    # One look

    async def _look(self) -> None:
        """Begin what may begin, take the event that is due; without one wait for news or for time to pass."""
        self._news.clear()
        async with self._turn:
            wait = self._crew.begin()
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
                        await self._crew.save(with_state(device, DeviceState.FAILED, time.time(), reason))
            self.wake()
            await asyncio.sleep(self._work.timing.evidence)

    async def _resume(self) -> None:
        """Go on with what was under way when the server stopped."""
        async with self._turn:
            self._crew.resume()
            unfinished = UNFINISHED_ACTIONS.get(self.campaign.state)
            if unfinished is not None:
                await self._crew.apply(unfinished)

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
        self._crew.campaign = after
        self._log.info("campaign", event_seen=str(event), state=str(state), who=who, reason=reason)
        self._work.bus.publish(CampaignChanged(self.campaign.id, self.campaign.state))
        await self._crew.apply(action)

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

    async def _note(self, who: str, text: str) -> None:
        await self._work.records.note(self.campaign.id, CampaignNote(time.time(), who, text))


def _sentence(event: CampaignEvent, campaign: Campaign) -> str:
    opens = event in {CampaignEvent.PASSED, CampaignEvent.APPROVE}
    what = f"phase {campaign.phase + 1} opens" if opens else f"the campaign is {campaign.state}"
    return f"{event}: {what}" + (f"; {campaign.reason}" if campaign.reason else "")
