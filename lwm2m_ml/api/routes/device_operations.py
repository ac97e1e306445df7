"""`/devices/{endpoint}/lwm2m/…`: single LwM2M operations on a device.

A path of LwM2M stands in the URL as it is. GET reads it, PUT and PATCH write it (all of it, or what is named), POST
creates an instance of an object or executes a resource, DELETE deletes; `links`, `attributes` and `events` below it are
Discover, Write-Attributes and Observe. Composite operations are POSTs to `read` and `write`.
"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.event_stream import EVENT_STREAM, events_of
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.client.schemas import Plain

router = APIRouter(prefix="/devices/{endpoint}/lwm2m", tags=["LwM2M operations"])

LwM2MPath = Annotated[str, Path(max_length=64, description="LwM2M path without the leading slash, such as 3/0/0")]
Behind = Annotated[str, Query(max_length=64, description="Prefix of a device behind this one, a gateway (object 25)")]
NOTHING = HTTPStatus.NO_CONTENT


@router.post("/read", dependencies=[VIEWER])
async def read_composite(
    service: Service, endpoint: Endpoint, body: schemas.PathsToRead, behind: Behind = ""
) -> list[schemas.ResourceValue]:
    """Read-Composite: several paths at once, whatever of them is readable."""
    records = await service.operations.read_composite(endpoint, body.paths, behind=behind)
    return views.resource_values(records, service.catalogue)


@router.post("/write", dependencies=[OPERATOR], status_code=NOTHING)
async def write_composite(
    service: Service, endpoint: Endpoint, body: schemas.ValuesToWrite, behind: Behind = ""
) -> None:
    """Write-Composite: several resources at once, all or nothing."""
    await service.operations.write_composite(endpoint, body.values, behind=behind)


@router.get("/events", dependencies=[VIEWER], response_class=StreamingResponse, responses=EVENT_STREAM)
async def observe_composite(
    service: Service,
    endpoint: Endpoint,
    path: Annotated[list[str], Query(min_length=1, max_length=1024)],
    behind: Behind = "",
) -> StreamingResponse:
    """Observe-Composite, or Observe for one path, as server-sent events; the device is told when the stream ends."""
    return events_of(await service.watch(endpoint, path, behind=behind), service.catalogue)


@router.get("/{path:path}/events", dependencies=[VIEWER], response_class=StreamingResponse, responses=EVENT_STREAM)
async def observe(service: Service, endpoint: Endpoint, path: LwM2MPath, behind: Behind = "") -> StreamingResponse:
    """Observe, as server-sent events; the device is told when the stream ends."""
    return events_of(await service.watch(endpoint, [f"/{path}"], behind=behind), service.catalogue)


@router.get("/{path:path}/links", dependencies=[VIEWER])
async def discover(
    service: Service,
    endpoint: Endpoint,
    path: LwM2MPath,
    depth: Annotated[int | None, Query(ge=0, le=3)] = None,
    behind: Behind = "",
) -> list[schemas.Link]:
    """Discover what is below a path; `depth` needs a device that speaks 1.2."""
    links = await service.operations.discover(endpoint, f"/{path}", depth=depth, behind=behind)
    return [schemas.Link(path=link.target, attributes=dict(link.attributes)) for link in links]


@router.patch("/{path:path}/attributes", dependencies=[OPERATOR], status_code=NOTHING)
async def write_attributes(
    service: Service, endpoint: Endpoint, path: LwM2MPath, body: schemas.AttributesToWrite, behind: Behind = ""
) -> None:
    """Write-Attributes: set and clear notification attributes."""
    change = [*views.attribute_options(body.set), *body.clear]
    await service.operations.write_attributes(endpoint, f"/{path}", change, behind=behind)


@router.get("/{path:path}", dependencies=[VIEWER])
async def read(
    service: Service, endpoint: Endpoint, path: LwM2MPath, behind: Behind = ""
) -> list[schemas.ResourceValue]:
    """Read an object, object instance, resource or resource instance."""
    records = await service.operations.read(endpoint, f"/{path}", behind=behind)
    return views.resource_values(records, service.catalogue)


@router.put("/{path:path}", dependencies=[OPERATOR], status_code=NOTHING)
async def replace(
    service: Service,
    endpoint: Endpoint,
    path: LwM2MPath,
    body: schemas.ValueToWrite | schemas.ValuesToWrite,
    behind: Behind = "",
) -> None:
    """Write, replacing what is there: a resource by its value, an instance or a multiple resource by paths."""
    await service.operations.write(endpoint, f"/{path}", _written(body), behind=behind)


@router.patch("/{path:path}", dependencies=[OPERATOR], status_code=NOTHING)
async def update(
    service: Service,
    endpoint: Endpoint,
    path: LwM2MPath,
    body: schemas.ValueToWrite | schemas.ValuesToWrite,
    behind: Behind = "",
) -> None:
    """Write part of an instance or of a multiple resource, leaving the rest (Partial Update)."""
    await service.operations.write(endpoint, f"/{path}", _written(body), replace=False, behind=behind)


@router.post("/{object_id:int}", dependencies=[OPERATOR], status_code=HTTPStatus.CREATED)
async def create(
    service: Service, endpoint: Endpoint, object_id: int, body: schemas.InstanceToCreate, behind: Behind = ""
) -> schemas.Created:
    """Create an instance of an object."""
    made = await service.operations.create(
        endpoint, f"/{object_id}", body.values, instance=body.instance, behind=behind
    )
    return schemas.Created(path=str(made))


@router.post("/{path:path}", dependencies=[OPERATOR], status_code=NOTHING)
async def execute(
    service: Service, endpoint: Endpoint, path: LwM2MPath, body: schemas.ExecuteArguments, behind: Behind = ""
) -> None:
    """Execute a resource."""
    await service.operations.execute(endpoint, f"/{path}", body.arguments, behind=behind)


@router.delete("/{path:path}", dependencies=[OPERATOR], status_code=NOTHING)
async def delete(service: Service, endpoint: Endpoint, path: LwM2MPath, behind: Behind = "") -> None:
    """Delete an object instance, or (1.2) a resource instance."""
    await service.operations.delete(endpoint, f"/{path}", behind=behind)


def _written(body: schemas.ValueToWrite | schemas.ValuesToWrite) -> Plain | dict[str, Plain]:
    return body.value if isinstance(body, schemas.ValueToWrite) else body.values
