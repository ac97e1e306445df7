"""`/results`: what models answered, by hour, and how often they were right."""

import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR, VIEWER, CurrentCaller
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import monitoring as schemas
from lwm2m_ml.errors import UsageError

router = APIRouter(tags=["monitoring"])

DAY = 86_400.0
LONGEST = 92 * DAY

Model = Annotated[str | None, Query(max_length=128)]
Device = Annotated[str | None, Query(max_length=256)]
Time = Annotated[float | None, Query(ge=0, le=2**40, description="Unix seconds", allow_inf_nan=False)]


@router.get("/results/hours", dependencies=[VIEWER])
async def hours(
    service: Service,
    *,
    model: Model = None,
    version: Annotated[str | None, Query(max_length=64)] = None,
    endpoint: Device = None,
    since: Time = None,
    until: Time = None,
) -> list[schemas.ClassHour]:
    """Results by hour and class, oldest first: of the last day if no time is given, of 92 days at most."""
    end = time.time() if until is None else until
    begin = end - DAY if since is None else since
    if end - begin > LONGEST:
        raise UsageError("More than 92 days are asked for", hint="Ask for them piece by piece, with since and until")
    found = await service.monitoring.hours.series(
        int(begin), int(end) + 1, model=model, version=version, endpoint=endpoint
    )
    return [views.as_schema(schemas.ClassHour, one) for one in found]


@router.get("/results/accuracy", dependencies=[VIEWER])
async def accuracy(
    service: Service, model: Model = None, endpoint: Device = None, since: Time = None
) -> list[schemas.ModelAccuracy]:
    """How often each version was right, as far as feedback tells."""
    found = await service.monitoring.feedback.accuracy(model=model, endpoint=endpoint, since=since or 0.0)
    return [
        schemas.ModelAccuracy(
            model=one.model,
            version=one.version,
            judged=one.accuracy.judged,
            right=one.accuracy.right,
            share=one.accuracy.share or 0.0,
            low=one.accuracy.interval()[0],
            high=one.accuracy.interval()[1],
        )
        for one in found
    ]


@router.post("/devices/{endpoint}/feedback", dependencies=[OPERATOR], status_code=HTTPStatus.CREATED)
async def give_feedback(
    service: Service, caller: CurrentCaller, endpoint: Endpoint, body: schemas.FeedbackRequest
) -> schemas.Feedback:
    """Tell what a result should have been; the device counts it, too."""
    record = await service.give_feedback(endpoint, body.number, body.true_class, caller.name, series=body.series)
    return views.as_schema(schemas.Feedback, record)
