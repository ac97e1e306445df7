"""One campaign: its phases, how far it is, each device with its reason, its story, and what an operator can do."""

from collections.abc import Mapping, Sequence
from typing import Literal

from nicegui import html, ui

from lwm2m_ml.client import campaign_calls
from lwm2m_ml.client.schemas.campaigns import Campaign, CampaignCommand, CampaignDevice
from lwm2m_ml.web.parts.asking import ask
from lwm2m_ml.web.parts.buttons import act_button
from lwm2m_ml.web.parts.listing import Column, Listing, Row
from lwm2m_ml.web.parts.telling import tell, told
from lwm2m_ml.web.parts.words import NOTHING, facts, kind_of, moment, number, size, tag
from lwm2m_ml.web.visit import Visit, address, page

REFRESH_SECONDS = 1.5
SHOWN_DEVICES = 500
Command = Literal["approve", "pause", "resume", "cancel", "roll-back"]
HARD = "Stop devices, too"
COMMANDS: Mapping[str, tuple[Command, str, str]] = {
    "Approve": ("approve", "check", "main"),
    "Pause": ("pause", "pause", ""),
    "Resume": ("resume", "play_arrow", ""),
    "Cancel": ("cancel", "close", ""),
    HARD: ("cancel", "stop", ""),
    "Roll back": ("roll-back", "undo", "bad"),
}
_ANY_TIME = frozenset({"Cancel", "Roll back"})
POSSIBLE: Mapping[str, frozenset[str]] = {
    "running": _ANY_TIME | {"Pause"},
    "soaking": _ANY_TIME | {"Pause"},
    "awaiting approval": _ANY_TIME | {"Approve", "Pause"},
    "paused": _ANY_TIME | {"Resume"},
    "cancelling": frozenset({HARD, "Roll back"}),
    "aborting": frozenset({"Roll back"}),
}
"""What is offered in which state; what the campaign takes is its own decision."""
ENDED = frozenset({"active", "refused", "failed", "cancelled", "rolled back"})
DEVICES = (
    Column("endpoint", "Device"),
    Column("phase", "Phase", numeric=True),
    Column("state", "State"),
    Column("why", "Diagnosis"),
    Column("variant", "Variant"),
    Column("air", "Over the air", numeric=True),
    Column("attempts", "Attempts", numeric=True),
)
STORY = (Column("at", "When"), Column("who", "Who"), Column("text", "What"))


@page("/campaign", "Campaign")
async def campaign_page(visit: Visit) -> None:
    """Build the page."""
    name = visit.asked("id")
    campaign = await visit.client.campaign(name)
    view = CampaignView(visit, campaign)
    await view.refresh()
    ui.timer(REFRESH_SECONDS, told(view.refresh), immediate=False)


class CampaignView:
    """The page of a campaign, brought up to date while it goes on."""

    def __init__(self, visit: Visit, campaign: Campaign) -> None:
        self._visit = visit
        self._id = campaign.id
        self._buttons: dict[str, ui.button] = {}
        with html.div().classes("head"):
            html.h1(campaign.name or f"{campaign.model} {campaign.version}")
            self._state = tag(campaign.state)
            html.span().classes("grow")
            if visit.may("operator"):
                for text, (command, icon, kind) in COMMANDS.items():
                    self._buttons[text] = self._button(text, command, icon, kind)
        with html.section().classes("panel"):
            self._diagnosis = ui.label().style("font-weight: 600")
            self._bar = ui.linear_progress(0.0, show_value=False).props('aria-label="Devices done"')
            self._tally = html.div().classes("row-of")
            facts(
                ("Model", f"{campaign.model} {campaign.version}"),
                ("Devices", campaign.selection or "all registered"),
                ("Began", f"{moment(campaign.created_at)} by {campaign.created_by or NOTHING}"),
                ("Campaign", campaign.id),
            )
        with html.section().classes("panel"):
            html.h2("Phases")
            self._phases = html.div().style("display: contents")
        with html.section().classes("panel"):
            html.h2("Devices")
            self._devices = Listing(DEVICES, empty="No device belongs to it.", name="Devices", page_size=25)
        with html.section().classes("panel"):
            html.h2("Story")
            self._story = Listing(STORY, empty="Nothing has happened yet.", name="Story", page_size=10)

    async def refresh(self) -> None:
        """Show how it stands."""
        client = self._visit.client
        campaign = await client.campaign(self._id)
        devices = (await client.send(campaign_calls.campaign_devices(self._id))).items[:SHOWN_DEVICES]
        story = await client.campaign_story(self._id)
        self._show_state(campaign)
        self._show_phases(campaign, devices)
        self._devices.show([_device(one) for one in devices])
        rows = [Row(str(one.number), {"at": moment(one.at), "who": one.who, "text": one.text}) for one in story]
        self._story.show(rows[::-1])

    def _show_state(self, campaign: Campaign) -> None:
        total, ended = sum(campaign.tally.values()), sum(campaign.tally.get(state, 0) for state in ENDED)
        self._state.set_text(campaign.state)
        self._state.classes(replace=f"tag {kind_of(campaign.state)}")
        reason = f" {campaign.reason}" if campaign.reason and campaign.reason not in campaign.diagnosis else ""
        self._diagnosis.set_text(f"{campaign.diagnosis}{reason}".strip() or campaign.state)
        self._bar.set_value(ended / total if total else 0.0)
        self._tally.clear()
        with self._tally:
            for state, count in campaign.tally.items():
                tag(f"{count:,} {state}", kind_of(state))
        for text, button in self._buttons.items():
            button.set_visibility(text in POSSIBLE.get(campaign.state, frozenset()))

    def _show_phases(self, campaign: Campaign, devices: Sequence[CampaignDevice]) -> None:
        self._phases.clear()
        with self._phases:
            for index, phase in enumerate(campaign.plan.get("phases", []), start=1):
                own = [one for one in devices if one.phase == index]
                ended = sum(one.state in ENDED for one in own)
                with html.div().classes("row-of"):
                    ui.label(f"{index}. {_phase(phase)}").style("min-width: 180px").classes(
                        "" if index <= campaign.phase else "muted"
                    )
                    bar = ui.linear_progress(ended / len(own) if own else 0.0, show_value=False).classes("grow")
                    bar.props(f'aria-label="Phase {index}"').style("min-width: 120px")
                    ui.label(f"{ended:,} of {len(own):,}").classes("num muted small")

    def _button(self, text: str, command: Command, icon: str, kind: str) -> ui.button:
        async def act() -> None:
            reason = await ask(f"{text}?", "Reason, for the story", hint="May be left empty")
            if reason is None:
                return
            wanted = CampaignCommand(command=command, reason=reason, hard=text == HARD)
            campaign = await self._visit.client.command_campaign(self._id, wanted)
            tell(f"The campaign is {campaign.state}")
            await self.refresh()

        return act_button(text, act, icon=icon, kind=kind)


def _phase(phase: Mapping[str, object]) -> str:
    names = phase.get("endpoints")
    who = f"{len(names)} named" if isinstance(names, list) and names else f"{phase.get('size', 'all')}"
    return f"{who}, after approval" if phase.get("approval") else who


def _device(one: CampaignDevice) -> Row:
    seconds = "" if one.ota_seconds is None else f", {number(one.ota_seconds, 1)} s"
    return Row(
        key=one.endpoint,
        values={
            "endpoint": one.endpoint,
            "phase": number(one.phase),
            "state": one.state,
            "why": one.diagnosis or one.reason or NOTHING,
            "variant": one.variant or NOTHING,
            "air": NOTHING if one.ota_bytes is None else f"{size(one.ota_bytes)}{seconds}",
            "attempts": number(one.attempts),
        },
        links={"endpoint": address("/device", endpoint=one.endpoint, tab="Updates")},
        kinds={"state": kind_of(one.state)},
    )
