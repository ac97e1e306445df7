"""`/fleet`: all devices in a few figures."""

from fastapi import APIRouter

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(tags=["devices"])


@router.get("/fleet", dependencies=[VIEWER])
async def fleet(service: Service) -> schemas.Fleet:
    """All registered devices, counted by what they are and what they run."""
    return views.as_schema(schemas.Fleet, await service.fleet())
