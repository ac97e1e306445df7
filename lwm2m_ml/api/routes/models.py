"""`/models`: the zoo, and the integer reference of each variant."""

from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.errors import InvalidInputError

router = APIRouter(tags=["models"])

MAXIMUM_REFERENCE_VALUES = 4_000_000

Name = Annotated[str, Path(min_length=1, max_length=128)]


@router.get("/models", dependencies=[VIEWER])
async def list_models(service: Service) -> list[schemas.Model]:
    """The zoo."""
    return [views.as_schema(schemas.Model, model) for model in service.models()]


@router.post("/models/{model}/variants/{variant}/reference", dependencies=[VIEWER])
async def reference(
    service: Service, model: Name, variant: Name, body: schemas.ReferenceRequest
) -> schemas.ReferenceAnswers:
    """What the integer reference of a variant answers to inputs: what a device has to answer, bit for bit."""
    if sum(map(len, body.inputs)) > MAXIMUM_REFERENCE_VALUES:
        raise InvalidInputError(f"More than {MAXIMUM_REFERENCE_VALUES:,} input values", hint="Send them in parts")
    return views.as_schema(schemas.ReferenceAnswers, await service.reference(model, variant, body.inputs))
