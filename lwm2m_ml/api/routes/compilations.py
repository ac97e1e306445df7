"""`/compilations`: compile a variant for a target ahead of a deployment. The job's result holds what was measured."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from lwm2m_ml.api.accepted import accept
from lwm2m_ml.api.authentication import OPERATOR, CurrentCaller
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.service.compilations import KIND

router = APIRouter(prefix="/compilations", tags=["models"])


@router.post("", dependencies=[OPERATOR], status_code=HTTPStatus.ACCEPTED)
async def compile_variant(
    service: Service, caller: CurrentCaller, response: Response, body: schemas.CompilationRequest
) -> schemas.Job:
    """Compile a variant of a model for a target and measure it on the emulated processor."""
    work = service.studies.compilation(body.model, body.variant, body.target)
    return await accept(service, response, caller, work, kind=KIND, subject=work.subject)
