"""`/devices/{endpoint}/inferences`: a device infers what an operator gives it."""

from fastapi import APIRouter

from lwm2m_ml.api import views
from lwm2m_ml.api.authentication import OPERATOR
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.running import Service
from lwm2m_ml.client import schemas

router = APIRouter(prefix="/devices/{endpoint}/inferences", tags=["devices"])


@router.post("", dependencies=[OPERATOR])
async def infer(service: Service, endpoint: Endpoint, body: schemas.InferenceRequest) -> schemas.Inference:
    """Infer an input with the model that the device runs, on the device, beside its sensors (object 42773)."""
    return views.as_schema(schemas.Inference, await service.probes.run(endpoint, body.input))
