"""`/fit`: every way to put a model on devices. `/device-types`: devices that do not tell what they can do."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, page_of_all
from lwm2m_ml.api.running import Service
from lwm2m_ml.api.views import as_schema
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import fit as schemas
from lwm2m_ml.service.device_types import DeviceType
from lwm2m_ml.service.survey import Constraints, Survey

router = APIRouter(tags=["fit"])

TypeName = Annotated[str, Path(max_length=64)]


@router.post("/fit", dependencies=[OPERATOR])
async def fit(service: Service, body: schemas.FitRequest) -> schemas.FitAnswer:
    """Compare every variant by every backend and optimisation; modules are compiled to know, once for each kind."""
    model = service.zoo.get(body.model, body.version)
    constraints = Constraints(body.minimum_accuracy, body.maximum_latency, body.maximum_energy, body.maximum_bytes)
    before = service.studies.compilations
    surveys: tuple[Survey, ...]
    if body.target is not None:
        surveys = (await service.studies.survey_target(model, body.target, constraints),)
        endpoints: tuple[str, ...] = ()
    else:
        chosen = None if body.endpoint is None else [body.endpoint]
        endpoints = service.selections.choose(endpoints=chosen, group=body.group, filter=body.filter).endpoints
        surveys = await service.studies.survey(model, endpoints, constraints)
    known = {endpoint for survey in surveys for endpoint in survey.endpoints}
    return schemas.FitAnswer(
        model=model.name,
        version=model.version,
        surveys=[as_schema(schemas.Survey, survey) for survey in surveys],
        compilations=service.studies.compilations - before,
        unknown=[endpoint for endpoint in endpoints if endpoint not in known],
    )


@router.get("/device-types", dependencies=[VIEWER])
async def list_types(service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Page[schemas.DeviceType]:
    """Every device type, by name."""
    return page_of_all(
        service.device_types.all(), limit, cursor, lambda one: one.name, lambda one: as_schema(schemas.DeviceType, one)
    )


@router.post("/device-types", dependencies=[OPERATOR], status_code=HTTPStatus.CREATED)
async def add_type(service: Service, body: schemas.DeviceType) -> schemas.DeviceType:
    """Describe devices that have the standard objects alone, by what their object 3 says."""
    return as_schema(schemas.DeviceType, await service.device_types.add(DeviceType(**body.model_dump())))


@router.delete("/device-types/{name}", dependencies=[OPERATOR], status_code=HTTPStatus.NO_CONTENT)
async def remove_type(service: Service, name: TypeName) -> None:
    """Forget a device type."""
    await service.device_types.remove(name)
