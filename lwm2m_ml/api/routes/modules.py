"""`/modules`: what was built and signed for devices."""

from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/modules", tags=["modules"])

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@router.get("", dependencies=[VIEWER])
async def list_modules(
    service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> schemas.Page[schemas.Module]:
    """Signed modules, oldest first."""
    after = decode(cursor, float, str)
    found = await service.modules.oldest(limit + 1, None if after is None else (float(after[0]), str(after[1])))
    return page_of(
        found, limit, lambda one: (one.created_at, one.digest), lambda one: views.as_schema(schemas.Module, one)
    )


@router.get("/{digest}", dependencies=[VIEWER])
async def show_module(service: Service, digest: Digest) -> schemas.Module:
    """A signed module and its measured facts."""
    return views.as_schema(schemas.Module, await service.modules.get(digest))
