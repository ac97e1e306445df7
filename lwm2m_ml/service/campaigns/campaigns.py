"""All campaigns: created, commanded, resumed after a restart of the server, joined by devices that come later."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from lwm2m_ml.bus import Ownership, Subscription
from lwm2m_ml.bus.bus import Document
from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.server.events import DeviceEvent, DeviceRegistered, DeviceUpdated
from lwm2m_ml.service.campaigns.campaign import (
    Campaign,
    CampaignDevice,
    CampaignNote,
    CampaignSnapshot,
)
from lwm2m_ml.service.campaigns.plan import Plan, assign_phases
from lwm2m_ml.service.campaigns.runner import SERVICE, CampaignRunner
from lwm2m_ml.service.campaigns.states import CampaignEvent
from lwm2m_ml.service.campaigns.work import Work
from lwm2m_ml.service.driven import Driven
from lwm2m_ml.service.groups.selections import Selection
from lwm2m_ml.service.profile_keeper import DeviceProfiled
from lwm2m_ml.service.zoo.model import Model
from lwm2m_ml.store.fence import CAMPAIGNS

CREATE, COMMAND = "campaigns.create", "campaigns.command"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CampaignOverview:
    """A campaign as a list shows it: without its devices, but with how many are in which state."""

    campaign: Campaign
    tally: Mapping[str, int]
    diagnosis: str

    @property
    def place(self) -> tuple[float, str]:
        """Where it stands among all campaigns, the oldest first."""
        return self.campaign.created_at, self.campaign.id


class Campaigns:
    """Runs campaigns side by side; a device takes part in one at a time."""

    def __init__(self, work: Work, matches: Callable[[str, str], bool], ownership: Ownership) -> None:
        """`matches(selection, endpoint)` tells whether a device belongs to a selection.

        Campaigns are driven by whoever owns them; they are created and commanded anywhere.
        """
        self._work = work
        self._matches = matches
        self._driven: Driven[CampaignRunner] = Driven(
            "campaign", work.bus, ownership, resume=self._resume, over=work.forget, halted=work.vacate_all
        )
        self._subscriptions: tuple[Subscription, ...] = ()
        work.on_vacated = self._wake_all

    async def start(self) -> None:
        """Go on with every campaign that is not over."""
        self._work.signals.start()
        bus = self._work.bus
        self._subscriptions = (
            bus.subscribe(DeviceRegistered, self._heard, everywhere=True),
            bus.subscribe(DeviceUpdated, self._heard, everywhere=True),
            bus.subscribe(DeviceProfiled, self._profiled, everywhere=True),
        )
        bus.serve(CREATE, self._create_for_another)
        bus.serve(COMMAND, self._command_for_another)
        await self._driven.start()

    async def stop(self) -> None:
        """Stop all work; what is not over goes on at the next start."""
        for subscription in self._subscriptions:
            subscription.cancel()
        await self._driven.stop()
        self._work.signals.stop()

    async def _resume(self) -> None:
        for found in await self._work.records.unfinished():
            if self._driven.get(found.campaign.id) is None:
                log.info("campaign resumed", campaign=found.campaign.id, model=found.campaign.model)
                self._start(found)

    async def create(
        self, model: Model, selection: Selection, plan: Plan | None = None, *, name: str = "", who: str = SERVICE
    ) -> CampaignSnapshot:
        """Store a new campaign and begin it."""
        plan = plan or Plan.at_once()
        if not self._driven.here:
            return await self._create_elsewhere(model, selection, plan, name=name, who=who)
        now = time.time()
        campaign = Campaign(
            id=secrets.token_hex(6),
            model=model.name,
            version=model.version,
            plan=plan,
            name=name,
            selection=selection.text,
            since=now,
            created_at=now,
            created_by=who,
        )
        endpoints = tuple(dict.fromkeys(selection.endpoints))
        phases = assign_phases(plan.phases, endpoints, f"{model.name} {model.version}")
        devices = tuple(CampaignDevice(endpoint, phase=phase, since=now) for endpoint, phase in phases.items())
        await self._work.records.create(campaign, devices)
        text = f"started: {model.name} {model.version} for {len(devices)} devices in {len(plan.phases)} phases"
        await self._work.records.note(campaign.id, CampaignNote(now, who, text))
        snapshot = CampaignSnapshot(campaign, devices)
        self._start(snapshot)
        return snapshot

    async def _create_elsewhere(
        self, model: Model, selection: Selection, plan: Plan, *, name: str, who: str
    ) -> CampaignSnapshot:
        asked = {
            "model": model.name,
            "version": model.version,
            "text": selection.text,
            "endpoints": list(selection.endpoints),
            "plan": plan.to_json(),
            "name": name,
            "who": who,
        }
        created = await self._work.bus.ask(CAMPAIGNS, CREATE, asked)
        return await self.get(created["id"])

    async def _create_for_another(self, asked: Document) -> Document:
        model = self._work.model(asked["model"], asked["version"])
        selection, plan = Selection(asked["text"], tuple(asked["endpoints"])), Plan.from_json(asked["plan"])
        snapshot = await self.create(model, selection, plan, name=asked["name"], who=asked["who"])
        return {"id": snapshot.campaign.id}

    async def _command_for_another(self, asked: Document) -> Document:
        await self.command(asked["id"], CampaignEvent(asked["event"]), asked["who"], asked["reason"])
        return {}

    async def get(self, campaign_id: str) -> CampaignSnapshot:
        """Return a campaign as it stands; raises `NotFoundError`."""
        runner = self._driven.get(campaign_id)
        if runner is not None:
            return CampaignSnapshot(runner.campaign, tuple(runner.roll.rows.values()))
        found = await self._work.records.get(campaign_id)
        if found is None:
            raise NotFoundError(f"There is no campaign {campaign_id[:64]!r}")
        return found

    async def all(self) -> tuple[CampaignOverview, ...]:
        """Return every campaign, oldest first."""
        tallies = await self._work.records.tallies()
        stored = await self._work.records.all()
        return tuple(self._overview(campaign, tallies.get(campaign.id, {})) for campaign in stored)

    async def overview(self, campaign_id: str) -> CampaignOverview:
        """Return one campaign without its devices; raises `NotFoundError`."""
        found = next((one for one in await self.all() if one.campaign.id == campaign_id), None)
        if found is None:
            raise NotFoundError(f"There is no campaign {campaign_id[:64]!r}")
        return found

    async def story(self, campaign_id: str, *, after: int = 0) -> tuple[CampaignNote, ...]:
        """Return what happened to a campaign, line by line, from after a line's number on."""
        await self.get(campaign_id)
        return await self._work.records.notes(campaign_id, after=after)

    async def command(self, campaign_id: str, event: CampaignEvent, who: str, reason: str = "") -> CampaignOverview:
        """Do what an operator wants; raises `ConflictError` when the campaign's state does not allow it."""
        if not self._driven.here:
            asked = {"id": campaign_id, "event": str(event), "who": who, "reason": reason}
            await self._work.bus.ask(CAMPAIGNS, COMMAND, asked)
            return await self.overview(campaign_id)
        runner = self._driven.get(campaign_id)
        if runner is None:
            found = await self.get(campaign_id)
            raise ConflictError(f"Campaign {campaign_id} is over: it is {found.campaign.state}")
        await runner.command(event, who, reason)
        return await self.overview(campaign_id)

    def diagnosis(self, campaign_id: str, device: CampaignDevice) -> str:
        """Say in a sentence what a device waits for, or how it ended."""
        runner = self._driven.get(campaign_id)
        return device.reason if runner is None else runner.explain_device(device)

    async def updates(self, endpoint: str) -> tuple[tuple[Campaign, CampaignDevice, str], ...]:
        """Return the campaigns that a device took part in, the newest first, with its row and a diagnosis."""
        campaigns = {one.id: one for one in await self._work.records.all()}
        rows = {name: row for name, row in await self._work.records.of_endpoint(endpoint) if name in campaigns}
        for runner in self._driven.all():
            if endpoint in runner.roll.rows:
                rows[runner.id] = runner.roll.rows[endpoint]
                campaigns[runner.id] = runner.campaign
        newest = sorted(rows, key=lambda name: campaigns[name].created_at, reverse=True)
        return tuple((campaigns[name], rows[name], self.diagnosis(name, rows[name])) for name in newest)

    @property
    def states(self) -> Mapping[str, int]:
        """How many campaigns that are not over are in each state."""
        return Counter(str(runner.campaign.state) for runner in self._driven.all())

    def users(self, model: str, version: str | None = None) -> tuple[str, ...]:
        """Return the running campaigns of a model, any version unless one is named."""
        return tuple(
            runner.campaign.id
            for runner in self._driven.all()
            if runner.campaign.model == model and version in {None, runner.campaign.version}
        )

    def _overview(self, stored: Campaign, tally: Mapping[str, int]) -> CampaignOverview:
        runner = self._driven.get(stored.id)
        if runner is None:
            return CampaignOverview(stored, tally, stored.reason)
        return CampaignOverview(runner.campaign, runner.roll.tally(), runner.explain())

    def _start(self, found: CampaignSnapshot) -> None:
        self._driven.begin(CampaignRunner(found.campaign, found.devices, self._work))

    def _wake_all(self) -> None:
        for runner in self._driven.all():
            runner.wake()

    async def _heard(self, event: DeviceEvent) -> None:
        """A device woke or came back: campaigns that wait for it look again."""
        for runner in self._driven.all():
            if event.endpoint in runner.roll.rows:
                runner.wake()

    async def _profiled(self, event: DeviceProfiled) -> None:
        """A device tells what it is: campaigns that take joiners may want it."""
        for runner in self._driven.all():
            campaign = runner.campaign
            if campaign.plan.joiners and self._matches(campaign.selection, event.endpoint):
                await runner.join(event.endpoint)
