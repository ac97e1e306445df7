"""`/audit`: who did what to which device. Administrators only."""

from typing import Annotated

from fastapi import APIRouter, Query

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import ADMIN
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("", dependencies=[ADMIN])
async def list_acts(
    service: Service,
    endpoint: Annotated[str | None, Query(max_length=256)] = None,
    caller: Annotated[str | None, Query(max_length=256)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> schemas.Page[schemas.Act]:
    """What was done, newest first; to one device, or by one caller, when asked."""
    before = decode(cursor, int)
    found = await service.audit.newest(
        limit + 1, before=None if before is None else int(before[0]), endpoint=endpoint, caller=caller
    )
    return page_of(found, limit, lambda act: (act.id,), lambda act: views.as_schema(schemas.Act, act))
