"""`/health`: the only route without a token; it tells no more than that the server works."""

from fastapi import APIRouter

from lwm2m_ml import __version__
from lwm2m_ml.api.authentication import ANYONE
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/health", dependencies=[ANYONE])
async def health(service: Service) -> Health:
    """Say that the server works, and where devices reach it."""
    return Health(status="ok", version=__version__, coap=service.coap_uri)
