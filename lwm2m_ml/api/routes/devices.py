"""`/devices`: what is registered, and its inference results."""

from typing import Annotated

from fastapi import APIRouter, Query

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/devices", tags=["devices"])


@router.get("", dependencies=[VIEWER])
async def list_devices(service: Service) -> list[schemas.Device]:
    """All registered devices."""
    return [views.device(device) for device in service.devices()]


@router.get("/{endpoint}", dependencies=[VIEWER])
async def show_device(service: Service, endpoint: Endpoint) -> schemas.Device:
    """One device."""
    return views.device(service.device(endpoint))


@router.get("/{endpoint}/results", dependencies=[VIEWER])
async def results(service: Service, endpoint: Endpoint, since: Annotated[int, Query(ge=0)] = 0) -> list[schemas.Result]:
    """Inference results with numbers above `since`, oldest first."""
    return [views.as_schema(schemas.Result, result) for result in await service.results(endpoint, since)]
