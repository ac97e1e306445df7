"""`/devices`: what is registered, and its inference results."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from fastapi import Query as QueryParameter

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.service.device_query import DeviceOrder, DeviceQuery

router = APIRouter(prefix="/devices", tags=["devices"])

Pattern = Annotated[str, QueryParameter(max_length=256, description="Text or pattern, such as `sensor-*`")]
Time = Annotated[float | None, QueryParameter(ge=0, description="Unix seconds", allow_inf_nan=False)]
Order = Annotated[
    Literal["endpoint", "-endpoint", "registered_at", "-registered_at", "last_seen", "-last_seen"],
    QueryParameter(alias="sort", description="With `-` the greatest first"),
]


def device_query(
    *,
    endpoint: Pattern = "",
    target: Pattern = "",
    manufacturer: Pattern = "",
    model_number: Pattern = "",
    binding: Annotated[str, QueryParameter(max_length=8, description="Letters that it has, such as `U`")] = "",
    lwm2m_version: Pattern = "",
    object_id: Annotated[
        int | None, QueryParameter(alias="object", ge=0, le=65535, description="An object that the device has")
    ] = None,
    seen_since: Time = None,
    seen_before: Time = None,
) -> DeviceQuery:
    """Which devices a request is about."""
    return DeviceQuery(
        endpoint=endpoint,
        target=target,
        manufacturer=manufacturer,
        model_number=model_number,
        binding=binding,
        lwm2m_version=lwm2m_version,
        object_id=object_id,
        seen_since=seen_since,
        seen_before=seen_before,
    )


Query = Annotated[DeviceQuery, Depends(device_query)]


@router.get("", dependencies=[VIEWER], response_model=schemas.Page[schemas.Device])
async def list_devices(
    service: Service,
    query: Query,
    order: Order = "endpoint",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    *,
    filter: Annotated[str, QueryParameter(max_length=2_000, description="Conditions as groups have them")] = "",
    alarmed: Annotated[bool, QueryParameter(description="Only devices with open alarms")] = False,
) -> Response:
    """Registered devices, all or those that fit, in pages."""
    alarms = service.monitoring.alarms.by_endpoint()
    wanted = replace(
        query,
        where=service.groups.condition(filter, alarms.keys() if alarmed else None),
        order=DeviceOrder(order.removeprefix("-")),
        descending=order.startswith("-"),
    )
    after = decode(cursor, str if wanted.order is DeviceOrder.ENDPOINT else float, str)
    found = await service.operations.find(
        wanted, after=None if after is None else (after[0], str(after[1])), limit=limit + 1
    )
    page = page_of(
        found, limit, lambda one: (getattr(one, wanted.order), one.endpoint), lambda one: views.device(one, alarms)
    )
    # Checked when it was made: to have it checked and copied again would take as long as finding it.
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/{endpoint}", dependencies=[VIEWER])
async def show_device(service: Service, endpoint: Endpoint) -> schemas.Device:
    """One device."""
    return views.device(service.device(endpoint), service.monitoring.alarms.by_endpoint())


@router.get("/{endpoint}/results", dependencies=[VIEWER])
async def results(
    service: Service,
    endpoint: Endpoint,
    since: Annotated[int, QueryParameter(ge=0, le=2**63 - 1, description="A number of a result")] = 0,
    after: Annotated[int, QueryParameter(ge=0, le=2**63 - 1, description="An id of a result")] = 0,
    newest: Annotated[int | None, QueryParameter(ge=1, le=10_000, description="Of these the newest, at most")] = None,
) -> list[schemas.Result]:
    """Inference results with numbers above `since` that came after the one with the id `after`, oldest first."""
    found = await service.monitoring.results.results(endpoint, since, after=after, newest=newest)
    return [views.as_schema(schemas.Result, result) for result in found]
