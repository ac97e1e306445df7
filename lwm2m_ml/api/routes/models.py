"""`/models`: the zoo, and the integer reference of each variant."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from lwm2m_ml.api import views, zoo_views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.running import Service
from lwm2m_ml.api.uploads import FILE_BODY, Upload, uploaded
from lwm2m_ml.client import schemas
from lwm2m_ml.client.schemas import zoo
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.service.zoo.zoo import MAXIMUM_CALIBRATION_BYTES

router = APIRouter(tags=["models"])

FILE_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
MAXIMUM_REFERENCE_VALUES = 4_000_000

Name = Annotated[str, Path(min_length=1, max_length=128)]
Alias = Annotated[str, Path(min_length=1, max_length=64)]
Version = Annotated[str | None, Query(max_length=64, description="A version or an alias")]


@router.get("/models", dependencies=[VIEWER])
async def list_models(service: Service) -> list[schemas.Model]:
    """The zoo: the newest version of every model."""
    return [zoo_views.model(service.zoo, model) for model in service.zoo.models()]


@router.post("/models/files", dependencies=[OPERATOR], status_code=HTTPStatus.CREATED, openapi_extra=FILE_BODY)
async def store_file(
    service: Service, upload: Annotated[Upload, uploaded(MAXIMUM_CALIBRATION_BYTES)]
) -> zoo.StoredFile:
    """Store a file, a model or calibration data, for a model that is to be added; it is named by its digest."""
    async with upload.content() as content:
        digest = await service.zoo.keep_file(content, upload.digest)
    return zoo.StoredFile(digest=digest, bytes=upload.size)


@router.post("/models", dependencies=[OPERATOR], status_code=HTTPStatus.CREATED)
async def add(service: Service, body: zoo.ModelToAdd) -> schemas.Model:
    """Add a version of a model whose files are stored, once the compiler has read them."""
    return zoo_views.model(service.zoo, await service.zoo.add_version(zoo_views.to_model(body)))


@router.get("/models/{model}", dependencies=[VIEWER])
async def show(service: Service, model: Name, version: Version = None) -> schemas.Model:
    """One model: a version or alias of it, else its champion or newest version."""
    return zoo_views.model(service.zoo, service.zoo.get(model, version))


@router.get("/models/{model}/versions", dependencies=[VIEWER])
async def versions(service: Service, model: Name) -> list[schemas.Model]:
    """Every version of a model, the one added first at first."""
    return [zoo_views.model(service.zoo, one) for one in service.zoo.versions(model)]


@router.delete("/models/{model}", dependencies=[OPERATOR], status_code=HTTPStatus.NO_CONTENT)
async def remove(service: Service, model: Name, version: Annotated[str, Query(max_length=64)]) -> None:
    """Forget a version of a model; one that a running campaign needs stays."""
    await service.remove_model(model, version)


@router.put("/models/{model}/aliases/{alias}", dependencies=[OPERATOR])
async def set_alias(service: Service, model: Name, alias: Alias, body: zoo.AliasToSet) -> schemas.Model:
    """Let an alias, such as champion or candidate, name a version."""
    await service.zoo.set_alias(model, alias, body.version)
    return zoo_views.model(service.zoo, service.zoo.get(model, alias))


@router.delete("/models/{model}/aliases/{alias}", dependencies=[OPERATOR], status_code=HTTPStatus.NO_CONTENT)
async def remove_alias(service: Service, model: Name, alias: Alias) -> None:
    """Forget an alias; the version that it named stays."""
    await service.zoo.set_alias(model, alias, None)


@router.post("/models/{model}/variants/{variant}/reference", dependencies=[VIEWER])
async def reference(
    service: Service, model: Name, variant: Name, body: schemas.ReferenceRequest
) -> schemas.ReferenceAnswers:
    """What the integer reference of a variant answers to inputs: what a device has to answer, bit for bit."""
    if sum(map(len, body.inputs)) > MAXIMUM_REFERENCE_VALUES:
        raise InvalidInputError(f"More than {MAXIMUM_REFERENCE_VALUES:,} input values", hint="Send them in parts")
    return views.as_schema(schemas.ReferenceAnswers, await service.studies.reference(model, variant, body.inputs))


@router.get(
    "/models/{model}/variants/{variant}/file", dependencies=[VIEWER], response_class=Response, responses=FILE_ANSWER
)
async def variant_file(service: Service, model: Name, variant: Name, version: Version = None) -> Response:
    """The file of a variant as it was added."""
    return Response(await service.zoo.file(model, version, variant), media_type="application/octet-stream")
