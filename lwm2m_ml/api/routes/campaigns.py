"""`/campaigns`: bring a model to many devices in phases, watch it, steer it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from lwm2m_ml.api import campaign_views as views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER, CurrentCaller
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of, page_of_all
from lwm2m_ml.api.running import Service
from lwm2m_ml.api.views import as_schema
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import campaigns as schemas
from lwm2m_ml.service.campaigns.campaign import CampaignDevice
from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.groups.selections import Selection

router = APIRouter(prefix="/campaigns", tags=["campaigns"])

CampaignId = Annotated[str, Path(max_length=64)]


@router.post("", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def create(service: Service, body: schemas.CampaignRequest, who: CurrentCaller) -> schemas.Campaign:
    """Start a campaign; it goes on after the answer."""
    model = service.zoo.get(body.model, body.version)
    made = await service.campaigns.create(
        model, _selection(service, body), Plan.from_json(body.plan), name=body.name, who=who.name
    )
    return views.campaign(await service.campaigns.overview(made.campaign.id))


@router.post("/preview", dependencies=[OPERATOR])
async def preview(service: Service, body: schemas.CampaignRequest) -> schemas.CampaignPreview:
    """A dry run: what a campaign would do; modules may have to be compiled to know."""
    model = service.zoo.get(body.model, body.version)
    found = await service.studies.preview(model, _selection(service, body), Plan.from_json(body.plan))
    return views.preview(found)


@router.get("", dependencies=[VIEWER])
async def list_campaigns(service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Page[schemas.Campaign]:
    """Every campaign, oldest first, in pages."""
    after = decode(cursor, float, str)
    found = [one for one in await service.campaigns.all() if after is None or one.place > after]
    return page_of(found[: limit + 1], limit, lambda one: one.place, views.campaign)


@router.get("/{campaign_id}", dependencies=[VIEWER])
async def show(service: Service, campaign_id: CampaignId) -> schemas.Campaign:
    """One campaign as it stands, without its devices."""
    return views.campaign(await service.campaigns.overview(campaign_id))


@router.get("/{campaign_id}/devices", dependencies=[VIEWER])
async def devices(
    service: Service,
    campaign_id: CampaignId,
    state: Annotated[DeviceState | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Page[schemas.CampaignDevice]:
    """The devices of a campaign, or those in one state, by endpoint, each with a diagnosis."""
    found = await service.campaigns.get(campaign_id)

    def view(device: CampaignDevice) -> schemas.CampaignDevice:
        diagnosis = service.campaigns.diagnosis(campaign_id, device)
        return views.campaign_device(device, expected=found.campaign.version, diagnosis=diagnosis)

    wanted = [device for device in found.devices if state in {None, device.state}]
    return page_of_all(wanted, limit, cursor, lambda device: device.endpoint, view)


@router.get("/{campaign_id}/story", dependencies=[VIEWER])
async def story(
    service: Service,
    campaign_id: CampaignId,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Page[schemas.CampaignNote]:
    """What happened, line by line, from after a line's number on."""
    place = decode(cursor, int)
    notes = await service.campaigns.story(campaign_id, after=after if place is None else int(place[0]))
    shown = notes[: limit + 1]
    return page_of(shown, limit, lambda note: (note.number,), lambda note: as_schema(schemas.CampaignNote, note))


@router.post("/{campaign_id}/commands", dependencies=[OPERATOR])
async def command(
    service: Service, campaign_id: CampaignId, body: schemas.CampaignCommand, who: CurrentCaller
) -> schemas.Campaign:
    """Approve, pause, resume, cancel (soft or hard) or roll back."""
    return views.campaign(await service.campaigns.command(campaign_id, views.event_of(body), who.name, body.reason))


def _selection(service: Service, body: schemas.CampaignRequest) -> Selection:
    return service.selections.choose(endpoints=body.endpoints, group=body.group, filter=body.filter)
