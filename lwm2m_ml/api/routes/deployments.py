"""`/deployments`: put a model on devices and watch it arrive."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/deployments", tags=["deployments"])


@router.post("", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def deploy(service: Service, body: schemas.DeploymentRequest) -> schemas.Deployment:
    """Start a deployment; it goes on after the answer."""
    return views.as_schema(schemas.Deployment, await service.deploy(body.model, body.endpoints))


@router.get("", dependencies=[VIEWER])
async def list_deployments(
    service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> schemas.Page[schemas.Deployment]:
    """The deployments, oldest first."""
    after = decode(cursor, float, str)
    found = [one for one in await service.deployments() if after is None or (one.created_at, one.id) > after]
    return page_of(
        found[: limit + 1],
        limit,
        lambda one: (one.created_at, one.id),
        lambda one: views.as_schema(schemas.Deployment, one),
    )


@router.get("/{deployment_id}", dependencies=[VIEWER])
async def show(service: Service, deployment_id: Annotated[str, Path(max_length=64)]) -> schemas.Deployment:
    """One deployment as it stands."""
    return views.as_schema(schemas.Deployment, await service.deployment(deployment_id))
