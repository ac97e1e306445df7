"""`/targets`: the microcontrollers and cores that modules can be made for."""

from fastapi import APIRouter

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/targets", tags=["models"])


@router.get("", dependencies=[VIEWER])
async def list_targets(service: Service) -> list[schemas.Target]:
    """The targets that this server can compile for, cores first."""
    return [views.as_schema(schemas.Target, target) for target in service.studies.targets()]
