"""`/jobs`: long work that was accepted, its progress and its result."""

from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, decode, page_of
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[str, Path(max_length=64)]


@router.get("", dependencies=[VIEWER])
async def list_jobs(service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> schemas.Page[schemas.Job]:
    """The jobs of the last week, newest first."""
    before = decode(cursor, float, str)
    found = await service.jobs.newest(limit + 1, None if before is None else (float(before[0]), str(before[1])))
    return page_of(found, limit, lambda job: (job.created_at, job.id), lambda job: views.as_schema(schemas.Job, job))


@router.get("/{job_id}", dependencies=[VIEWER])
async def show_job(service: Service, job_id: JobId) -> schemas.Job:
    """One job as it stands."""
    return views.as_schema(schemas.Job, await service.jobs.get(job_id))


@router.post("/{job_id}/cancel", dependencies=[OPERATOR])
async def cancel_job(service: Service, job_id: JobId) -> schemas.Job:
    """Stop a job, and tell how it ended."""
    return views.as_schema(schemas.Job, await service.jobs.cancel(job_id))
