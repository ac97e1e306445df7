"""Long work: 202 with a job, and where to ask how it goes."""

from fastapi import Response

from lwm2m_ml.api import views
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas
from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.service.access import Caller
from lwm2m_ml.service.jobs import Work


async def accept(
    service: Service, response: Response, caller: Caller, work: Work, *, kind: str, subject: str
) -> schemas.Job:
    """Begin work and tell of its job; the route that calls this answers 202."""
    job = await service.jobs.begin(kind, subject, work, caller=caller.name)
    response.headers["Location"] = f"{API_ROOT}/jobs/{job.id}"
    return views.as_schema(schemas.Job, job)
