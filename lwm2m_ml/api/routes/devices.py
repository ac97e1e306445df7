"""`/devices`: what is registered, LwM2M operations on it, and its inference results."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/devices", tags=["devices"])

Endpoint = Annotated[str, Path(min_length=1, max_length=256)]
LwM2MPath = Annotated[str, Path(max_length=64, description="LwM2M path without the leading slash, such as 3/0/0")]


@router.get("", dependencies=[VIEWER])
async def list_devices(service: Service) -> list[schemas.Device]:
    """All registered devices."""
    return [views.device(device) for device in service.devices()]


@router.get("/{endpoint}", dependencies=[VIEWER])
async def show_device(service: Service, endpoint: Endpoint) -> schemas.Device:
    """One device."""
    return views.device(service.device(endpoint))


@router.get("/{endpoint}/lwm2m/{path:path}", dependencies=[VIEWER])
async def read(service: Service, endpoint: Endpoint, path: LwM2MPath) -> list[schemas.ResourceValue]:
    """Read an object, object instance, resource or resource instance."""
    records = await service.read(endpoint, f"/{path}")
    return [views.resource_value(record, service.catalogue) for record in records]


@router.put("/{endpoint}/lwm2m/{path:path}", dependencies=[OPERATOR], status_code=HTTPStatus.NO_CONTENT)
async def write(service: Service, endpoint: Endpoint, path: LwM2MPath, body: schemas.ValueToWrite) -> None:
    """Write one resource."""
    await service.write(endpoint, f"/{path}", body.value)


@router.post("/{endpoint}/lwm2m/{path:path}", dependencies=[OPERATOR], status_code=HTTPStatus.NO_CONTENT)
async def execute(service: Service, endpoint: Endpoint, path: LwM2MPath, body: schemas.ExecuteArguments) -> None:
    """Execute a resource."""
    await service.execute(endpoint, f"/{path}", body.arguments)


@router.get("/{endpoint}/results", dependencies=[VIEWER])
async def results(service: Service, endpoint: Endpoint, since: Annotated[int, Query(ge=0)] = 0) -> list[schemas.Result]:
    """Inference results with numbers above `since`, oldest first."""
    return [views.result(result) for result in await service.results(endpoint, since)]
