"""`/metrics`: figures for Prometheus, in its text format."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from lwm2m_ml.api.authentication import VIEWER

router = APIRouter(tags=["health"])


@router.get("/metrics", dependencies=[VIEWER], response_class=PlainTextResponse)
async def metrics(request: Request) -> PlainTextResponse:
    """All figures of the service as they are now."""
    return PlainTextResponse(generate_latest(request.app.state.metrics), media_type=CONTENT_TYPE_LATEST)
