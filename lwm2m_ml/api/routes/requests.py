"""`/devices/{endpoint}/requests` and `/requests`: operations that wait until their device is awake."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.service.requests import Asked

router = APIRouter(tags=["requests to sleeping devices"])

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post("/devices/{endpoint}/requests", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def submit(service: Service, endpoint: Endpoint, body: schemas.RequestToQueue) -> schemas.DeviceRequest:
    """Queue an operation; it outlives restarts of the server, and its number tells later what became of it."""
    asked = Asked(body.operation, body.paths, body.values, body.replace, body.arguments, body.attributes)
    made = await service.requests.submit(endpoint, asked, lifetime=body.expires_in)
    return views.device_request(made, service.catalogue)


@router.get("/devices/{endpoint}/requests", dependencies=[VIEWER])
async def list_requests(
    service: Service, endpoint: Endpoint, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> schemas.Page[schemas.DeviceRequest]:
    """The requests of a device, oldest first; outcomes are kept for a week."""
    after = decode(cursor, int)
    found = [one for one in await service.requests.of(endpoint) if after is None or one.number > int(after[0])]
    return page_of(
        found[: limit + 1], limit, lambda one: (one.number,), lambda one: views.device_request(one, service.catalogue)
    )


@router.get("/requests/{number}", dependencies=[VIEWER])
async def show(service: Service, number: Number) -> schemas.DeviceRequest:
    """One request with its state and outcome."""
    return views.device_request(await service.requests.get(number), service.catalogue)


@router.delete("/requests/{number}", dependencies=[OPERATOR], status_code=HTTPStatus.NO_CONTENT)
async def cancel(service: Service, number: Number) -> None:
    """Take a waiting request back."""
    await service.requests.cancel(number)
