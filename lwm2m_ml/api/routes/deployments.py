"""`/deployments`: put a model on devices at once, a campaign of one phase, and watch it arrive."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api import campaign_views as views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER, CurrentCaller
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/deployments", tags=["deployments"])


@router.post("", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def deploy(service: Service, body: schemas.DeploymentRequest, who: CurrentCaller) -> schemas.Deployment:
    """Start a deployment; it goes on after the answer."""
    return views.deployment(await service.deploy(body.model, body.endpoints, who=who.name))


@router.get("", dependencies=[VIEWER])
async def list_deployments(
    service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> schemas.Page[schemas.Deployment]:
    """The deployments, oldest first."""
    after = decode(cursor, float, str)
    found = [one for one in await service.campaigns.all() if after is None or one.place > after]
    campaigns = [await service.campaigns.get(one.campaign.id) for one in found[: limit + 1]]
    return page_of(campaigns, limit, lambda one: (one.campaign.created_at, one.campaign.id), views.deployment)


@router.get("/{deployment_id}", dependencies=[VIEWER])
async def show(service: Service, deployment_id: Annotated[str, Path(max_length=64)]) -> schemas.Deployment:
    """One deployment as it stands."""
    return views.deployment(await service.campaigns.get(deployment_id))
