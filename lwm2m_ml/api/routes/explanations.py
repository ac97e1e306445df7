"""`/explanations`: what each layer of a variant costs on a target, its memory plan, and the module to download."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from lwm2m_ml.api.accepted import accept
from lwm2m_ml.api.authentication import OPERATOR, VIEWER, CurrentCaller
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.service.explanations import KIND

router = APIRouter(prefix="/explanations", tags=["models"])

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.post("", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def explain(
    service: Service, caller: CurrentCaller, response: Response, body: schemas.ExplanationRequest
) -> schemas.Job:
    """Compile a variant for a target and measure it layer by layer; the job's result is an `Explanation`."""
    work = service.studies.explanation(body.model, body.version, body.variant, body.target)
    return await accept(service, response, caller, work, kind=KIND, subject=work.subject)


@router.get("/{digest}/module", dependencies=[VIEWER], response_class=Response, responses=ARCHIVE)
async def module(service: Service, digest: Digest) -> Response:
    """The module as `lwm2m-ml compile` writes it: machine code, facts and proved answers, in a ZIP archive."""
    return Response(await service.studies.explained_module(digest), media_type="application/zip")
