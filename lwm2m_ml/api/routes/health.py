"""`/health` and `/ready`: without a token, so they tell no more than whether the server works."""

from fastapi import APIRouter

from lwm2m_ml import __version__
from lwm2m_ml.api.authentication import ANYONE
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import Health, Readiness

router = APIRouter(tags=["health"])


@router.get("/health", dependencies=[ANYONE])
async def health(service: Service) -> Health:
    """Say whether the server works, and where devices reach it: 200 even while something does not work."""
    problems = list(service.health.problems)
    return Health(
        status="degraded" if problems else "ok", version=__version__, coap=service.coap_uri, problems=problems
    )


@router.get("/ready", dependencies=[ANYONE])
async def ready(service: Service) -> Readiness:
    """Say whether the server can take work: 503 while it cannot."""
    await service.health.check_ready()
    return Readiness(ready=True)
