"""From campaigns and groups to the API's schemas, and back."""

from lwm2m_ml.api import views
from lwm2m_ml.client import schemas
from lwm2m_ml.client.schemas import campaigns
from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignDevice, CampaignSnapshot
from lwm2m_ml.service.campaigns.campaigns import CampaignOverview
from lwm2m_ml.service.campaigns.judgement import deadline
from lwm2m_ml.service.campaigns.preview import Preview
from lwm2m_ml.service.campaigns.states import CampaignEvent

EVENTS = {
    "approve": CampaignEvent.APPROVE,
    "pause": CampaignEvent.PAUSE,
    "resume": CampaignEvent.RESUME,
    "cancel": CampaignEvent.CANCEL,
    "roll-back": CampaignEvent.ROLL_BACK,
}
"""The event of each command; a hard cancel is one of its own."""


def event_of(command: campaigns.CampaignCommand) -> CampaignEvent:
    """What a command is to the campaign's table of states."""
    return CampaignEvent.CANCEL_HARD if command.hard else EVENTS[command.command]


def campaign(fact: CampaignOverview) -> campaigns.Campaign:
    """A campaign without its devices."""
    one = fact.campaign
    return campaigns.Campaign(
        id=one.id,
        name=one.name,
        model=one.model,
        version=one.version,
        selection=one.selection,
        state=str(one.state),
        reason=one.reason,
        diagnosis=fact.diagnosis,
        phase=one.phase + 1,
        phases=len(one.plan.phases),
        finished=one.finished,
        since=one.since,
        deadline=None if one.finished else deadline(one),
        created_at=one.created_at,
        created_by=one.created_by,
        tally=dict(fact.tally),
        plan=one.plan.to_json(),
    )


def campaign_device(fact: CampaignDevice, *, expected: str, diagnosis: str) -> campaigns.CampaignDevice:
    """One device of a campaign."""
    return campaigns.CampaignDevice(
        endpoint=fact.endpoint,
        phase=fact.phase + 1,
        target=fact.target,
        state=str(fact.state),
        reason=fact.reason,
        diagnosis=diagnosis,
        since=fact.since,
        attempts=fact.attempts,
        due_at=fact.due_at,
        before=fact.before,
        expected=expected,
        reported=fact.reported,
        variant=fact.variant,
        module_digest=fact.module_digest,
        module_bytes=fact.module_bytes,
        ota_bytes=fact.ota_bytes,
        ota_seconds=fact.ota_seconds,
    )


def device_update(one: Campaign, row: CampaignDevice, diagnosis: str) -> campaigns.DeviceUpdate:
    """A campaign as one of its devices saw it."""
    return campaigns.DeviceUpdate(
        campaign=one.id,
        model=one.model,
        version=one.version,
        device=campaign_device(row, expected=one.version, diagnosis=diagnosis),
    )


def preview(fact: Preview) -> campaigns.CampaignPreview:
    """What a campaign would do."""
    return campaigns.CampaignPreview(
        model=fact.model,
        version=fact.version,
        selection=fact.selection,
        devices=[
            campaigns.PreviewDevice(
                endpoint=device.endpoint,
                phase=device.phase + 1,
                state=device.state,
                target=device.target,
                variant=device.variant,
                package_bytes=device.package_bytes,
                reason=device.reason,
            )
            for device in fact.devices
        ],
        tally=dict(fact.tally),
        package_bytes=fact.package_bytes,
        compilations=fact.compilations,
    )


def deployment(fact: CampaignSnapshot) -> schemas.Deployment:
    """A campaign as a plain deployment: over as soon as every device has come to an end."""
    one = fact.campaign
    return schemas.Deployment(
        id=one.id,
        model=one.model,
        version=one.version,
        created_at=one.created_at,
        finished=all(device.state.final for device in fact.devices),
        devices=[views.as_schema(schemas.DeploymentDevice, device) for device in fact.devices],
    )
