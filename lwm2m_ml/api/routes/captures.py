"""`/captures`: inputs that devices hand out, for those that somebody allowed to be asked."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from lwm2m_ml.api import views
from lwm2m_ml.api.accepted import accept
from lwm2m_ml.api.authentication import ADMIN, OPERATOR, VIEWER, CurrentCaller
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, page_of_all
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import Job, Page
from lwm2m_ml.client.schemas import monitoring as schemas
from lwm2m_ml.service.jobs import Progress

router = APIRouter(tags=["monitoring"])

NPZ = "application/x-npz"


@router.get("/captures/consents", dependencies=[VIEWER])
async def list_consents(
    service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Page[schemas.CaptureConsent]:
    """The devices that may be asked for inputs."""
    found = await service.monitoring.captures.consents()
    return page_of_all(
        found, limit, cursor, lambda one: one.endpoint, lambda one: views.as_schema(schemas.CaptureConsent, one)
    )


@router.put("/captures/consents/{endpoint}", dependencies=[ADMIN])
async def allow(
    service: Service, caller: CurrentCaller, endpoint: Endpoint, body: schemas.CaptureConsentRequest
) -> schemas.CaptureConsent:
    """Let a device be asked for inputs: raw data leaves it from now on."""
    consent = await service.monitoring.captures.allow(endpoint, body.per_day, caller.name)
    return views.as_schema(schemas.CaptureConsent, consent)


@router.delete("/captures/consents/{endpoint}", dependencies=[ADMIN], status_code=HTTPStatus.NO_CONTENT)
async def forbid(service: Service, endpoint: Endpoint) -> None:
    """Ask a device for no more inputs, and forget those it gave."""
    await service.monitoring.captures.forbid(endpoint)


@router.post("/devices/{endpoint}/captures", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def capture(service: Service, caller: CurrentCaller, response: Response, endpoint: Endpoint) -> Job:
    """Have a device keep its next input and fetch it; the job's result tells of it."""
    service.device(endpoint)

    async def work(_progress: Progress) -> dict[str, object]:
        found = await service.monitoring.captures.capture(endpoint)
        return schemas.CapturedInput(
            endpoint=found.endpoint,
            model=found.model,
            version=found.version,
            number=found.number,
            series=found.series,
            bytes=len(found.content),
            captured_at=found.captured_at,
        ).model_dump()

    return await accept(service, response, caller, work, kind="capture", subject=endpoint)


@router.get(
    "/models/{model}/captures",
    dependencies=[OPERATOR],
    response_class=Response,
    responses={200: {"content": {NPZ: {}}}},
)
async def data_set(
    service: Service,
    model: Annotated[str, Path(max_length=128)],
    since: Annotated[float, Query(ge=0, description="Unix seconds", allow_inf_nan=False)] = 0.0,
) -> Response:
    """The inputs of a model as `.npz`: `inputs`, `labels` by feedback (-1: none), `endpoints` and `captured_at`."""
    content = await service.monitoring.export.export(model, since)
    return Response(content, media_type=NPZ)
