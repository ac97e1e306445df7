"""`/objects`: the LwM2M objects that the server has definitions of."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.errors import NotFoundError

router = APIRouter(prefix="/objects", tags=["objects"])


@router.get("", dependencies=[VIEWER])
async def list_objects(
    service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> schemas.Page[schemas.ObjectSummary]:
    """The newest version of each object, by number."""
    after = decode(cursor, int)
    found = sorted(service.catalogue, key=lambda one: one.object_id)
    rest = [one for one in found if after is None or one.object_id > int(after[0])]
    return page_of(rest[: limit + 1], limit, lambda one: (one.object_id,), views.object_summary)


@router.get("/{object_id}", dependencies=[VIEWER])
async def show_object(
    service: Service,
    object_id: Annotated[int, Path(ge=0, le=65535)],
    version: Annotated[str | None, Query(max_length=16, description="The newest one if not given")] = None,
) -> schemas.ObjectDefinition:
    """An object and its resources."""
    definition = service.catalogue.get(object_id, version)
    if definition is None:
        wanted = f"{object_id} {version}" if version else f"{object_id}"
        hint = "Add its file with `lwm2m-ml objects add FILE`"
        raise NotFoundError(f"The server has no definition of object {wanted}", hint=hint)
    return views.object_definition(definition, service.catalogue.versions(object_id))
