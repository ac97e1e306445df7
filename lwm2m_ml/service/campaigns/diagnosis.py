"""One sentence for whatever has not come to an end: what a campaign or a device of it waits for, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignDevice, Roll
from lwm2m_ml.service.campaigns.gates import Verdict
from lwm2m_ml.service.campaigns.judgement import deadline
from lwm2m_ml.service.campaigns.states import CampaignState, DeviceState


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else bears on a device: the pace, the campaign that has it now, whether it is there and awake."""

    pace: str = ""
    busy_with: str = ""
    registered: bool = True
    awake: bool = True
    last_seen: float | None = None


def explain_campaign(campaign: Campaign, roll: Roll, verdict: Verdict, now: float) -> str:
    """Say what a campaign waits for; for one that is over, how it ended."""
    if campaign.finished:
        return campaign.reason
    ends = f"at most {max(0.0, deadline(campaign) - now):,.0f} s more"
    unended = roll.total(campaign.phase) - roll.count(*(s for s in DeviceState if s.final), up_to=campaign.phase)
    under_way = roll.count(*(s for s in DeviceState if s.under_way))
    sentence = {
        CampaignState.RUNNING: f"waits for {unended} devices of phase {campaign.phase + 1}, {under_way} are under way",
        CampaignState.SOAKING: _soaking(campaign, verdict, now),
        CampaignState.AWAITING_APPROVAL: f"waits for an approval of phase {campaign.phase + 2}",
        CampaignState.PAUSED: f"is paused ({campaign.reason or 'by an operator'})",
        CampaignState.CANCELLING: f"waits for {under_way} devices that are under way",
        CampaignState.ABORTING: f"waits for {under_way} devices that are being stopped",
        CampaignState.ROLLING_BACK: f"waits for {under_way} devices to be rolled back",
    }[campaign.state]
    return f"{sentence}; {ends}"


def explain_device(campaign: Campaign, device: CampaignDevice, around: Surroundings, now: float) -> str:
    """Say what a device waits for; for one at its end, the reason that its row keeps."""
    if device.state.final:
        return device.reason
    if device.state is DeviceState.RETRYING:
        wait = max(0.0, (device.due_at or now) - now)
        return f"attempt {device.attempts + 1} in {wait:,.0f} s, after: {device.reason}"
    if device.state is not DeviceState.PENDING:
        return f"{device.state} for {max(0.0, now - device.since):,.0f} s{_seen(around, now)}"
    return next(why for holds, why in _reasons_to_wait(campaign, device, around, now) if holds)


def _reasons_to_wait(
    campaign: Campaign, device: CampaignDevice, around: Surroundings, now: float
) -> Sequence[tuple[bool, str]]:
    """Return what may keep a device that has not begun, the most decisive first; the last one always holds."""
    return (
        (device.phase > campaign.phase, f"waits for phase {device.phase + 1} to open"),
        (campaign.state is not CampaignState.RUNNING, f"waits because the campaign is {campaign.state}"),
        (not around.registered, "waits until the device registers"),
        (bool(around.busy_with), f"waits for campaign {around.busy_with}, which is at this device"),
        (not around.awake, f"waits until the device wakes{_seen(around, now)}"),
        (bool(around.pace), f"waits: {around.pace}"),
        (True, "waits for its turn"),
    )


def _soaking(campaign: Campaign, verdict: Verdict, now: float) -> str:
    left = campaign.since + campaign.plan.phases[campaign.phase].soak - now
    if left > 0:
        return f"watches phase {campaign.phase + 1} for another {left:,.0f} s"
    return f"waits for evidence on phase {campaign.phase + 1}: {verdict.reason or 'none yet'}"


def _seen(around: Surroundings, now: float) -> str:
    if around.last_seen is None:
        return ""
    return f", last seen {max(0.0, now - around.last_seen):,.0f} s ago"
