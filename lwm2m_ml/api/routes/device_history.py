"""`/devices/{endpoint}/history`, `/messages` and `/updates`: what became of a device, and what it says."""

from typing import Annotated

from fastapi import APIRouter, Query

from lwm2m_ml.api import campaign_views, views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.client.schemas.campaigns import DeviceUpdate

router = APIRouter(prefix="/devices/{endpoint}", tags=["devices"])

After = Annotated[int, Query(ge=0, le=2**63 - 1, description="A number of a message")]


@router.get("/history", dependencies=[VIEWER])
async def history(service: Service, endpoint: Endpoint) -> schemas.DeviceHistory:
    """When a device came and went, and its traffic of the last four hours; a restart of the server forgets both."""
    return views.as_schema(schemas.DeviceHistory, service.history(endpoint))


@router.get("/messages", dependencies=[OPERATOR])
async def messages(service: Service, endpoint: Endpoint, after: After = 0) -> list[schemas.LoggedMessage]:
    """The newest 200 CoAP messages since the device is looked at; the log ends ten minutes after the last look.

    They may hold values that reading the device would show: hence the scope.
    """
    return [views.logged_message(one) for one in service.messages(endpoint, after)]


@router.get("/updates", dependencies=[VIEWER])
async def updates(service: Service, endpoint: Endpoint) -> list[DeviceUpdate]:
    """The campaigns that a device took part in, the newest first, each with what it waits for or how it ended."""
    return [
        campaign_views.device_update(*one) for one in await service.campaigns.updates(service.device(endpoint).endpoint)
    ]
