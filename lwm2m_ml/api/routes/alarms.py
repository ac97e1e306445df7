"""`/alarms`: what went wrong in the field, and who has seen it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER, CurrentCaller
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import monitoring as schemas
from lwm2m_ml.service.monitoring.alarms import Alarm

router = APIRouter(prefix="/alarms", tags=["monitoring"])

AlarmId = Annotated[str, Path(max_length=64)]


@router.get("", dependencies=[VIEWER])
async def list_alarms(
    service: Service,
    only_open: Annotated[bool, Query(alias="open", description="Only those that are not over")] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> Page[schemas.Alarm]:
    """Alarms, newest first."""
    place = decode(cursor, float, str)
    before = None if place is None else (float(place[0]), str(place[1]))
    found = await service.monitoring.alarms.newest(limit + 1, before=before, only_open=only_open)
    return page_of(found, limit, lambda one: (one.raised_at, one.id), _view)


@router.get("/{alarm_id}", dependencies=[VIEWER])
async def show_alarm(service: Service, alarm_id: AlarmId) -> schemas.Alarm:
    """One alarm."""
    return _view(await service.monitoring.alarms.get(alarm_id))


@router.post("/{alarm_id}/acknowledge", dependencies=[OPERATOR])
async def acknowledge(service: Service, caller: CurrentCaller, alarm_id: AlarmId) -> schemas.Alarm:
    """Note that the caller has seen an alarm; whoever was first stays."""
    return _view(await service.monitoring.alarms.acknowledge(alarm_id, caller.name))


def _view(alarm: Alarm) -> schemas.Alarm:
    return views.as_schema(schemas.Alarm, alarm)
