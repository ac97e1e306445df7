"""`/groups` and `/devices/{endpoint}/tags`: devices picked by a filter, and the tags that filters may ask for."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, page_of_all
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import campaigns as schemas
from lwm2m_ml.service.groups.groups import GROUP, Group

router = APIRouter(tags=["groups"])

GroupName = Annotated[str, Path(max_length=64)]


@router.get("/groups", dependencies=[VIEWER])
async def list_groups(service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Page[schemas.Group]:
    """Every group with the registered devices that belong to it now, by name."""
    return page_of_all(service.groups.all(), limit, cursor, lambda group: group.name, lambda one: _group(service, one))


@router.post("/groups", dependencies=[OPERATOR], status_code=HTTPStatus.CREATED)
async def add(service: Service, body: schemas.GroupRequest) -> schemas.Group:
    """Give a filter a name."""
    return _group(service, await service.groups.add(body.name, body.filter))


@router.get("/groups/{name}", dependencies=[VIEWER])
async def show(service: Service, name: GroupName) -> schemas.Group:
    """One group."""
    return _group(service, service.groups.get(name))


@router.delete("/groups/{name}", dependencies=[OPERATOR], status_code=HTTPStatus.NO_CONTENT)
async def remove(service: Service, name: GroupName) -> None:
    """Forget a group; nothing happens to its devices."""
    await service.groups.remove(name)


@router.get("/devices/{endpoint}/tags", dependencies=[VIEWER])
async def tags(service: Service, endpoint: Endpoint) -> schemas.Tags:
    """The tags of a device."""
    return schemas.Tags(tags=list(service.groups.tags(service.device(endpoint).endpoint)))


@router.patch("/devices/{endpoint}/tags", dependencies=[OPERATOR])
async def change_tags(service: Service, endpoint: Endpoint, body: schemas.TagsChange) -> schemas.Tags:
    """Give tags to a device and take others away."""
    found = service.device(endpoint).endpoint
    return schemas.Tags(tags=list(await service.groups.tag(found, body.add, body.remove)))


def _group(service: Service, group: Group) -> schemas.Group:
    members = list(service.groups.members(f"{GROUP}{group.name}"))
    return schemas.Group(name=group.name, filter=group.filter, created_at=group.created_at, members=members)
