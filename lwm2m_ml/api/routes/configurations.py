"""`/devices/{endpoint}/configurations`: how the models of a device are wired (object 513)."""

from typing import Annotated

from fastapi import APIRouter, Path

from lwm2m_ml.api.authentication import OPERATOR, VIEWER
from lwm2m_ml.api.parameters import Endpoint
from lwm2m_ml.api.routes.device_operations import Behind
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import configurations as schemas
from lwm2m_ml.lwm2m.model_wiring import Wire
from lwm2m_ml.service.model_configurations import ConfigurationChange, ModelConfiguration, WireText

router = APIRouter(prefix="/devices/{endpoint}/configurations", tags=["models on devices"])


@router.get("", dependencies=[VIEWER])
async def configurations(service: Service, endpoint: Endpoint, behind: Behind = "") -> list[schemas.ModelConfiguration]:
    """Read how every model of a device is wired."""
    found = await service.configurations.read(endpoint, behind=behind)
    return [_as_schema(one) for one in found]


@router.patch("/{slot}", dependencies=[OPERATOR])
async def configure(
    service: Service,
    endpoint: Endpoint,
    slot: Annotated[int, Path(ge=0, le=65_534)],
    body: schemas.ConfigurationChange,
    behind: Behind = "",
) -> schemas.ModelConfiguration:
    """Wire a model anew, or enable or disable it: no transfer, no reboot."""
    change = ConfigurationChange(
        inputs=None if body.inputs is None else [WireText(**wire.model_dump()) for wire in body.inputs],
        outputs=None if body.outputs is None else [WireText(**wire.model_dump()) for wire in body.outputs],
        condition=body.condition,
        enabled=body.enabled,
    )
    return _as_schema(await service.configurations.change(endpoint, slot, change, behind=behind))


def _as_schema(one: ModelConfiguration) -> schemas.ModelConfiguration:
    return schemas.ModelConfiguration(
        slot=one.slot,
        model=one.model,
        version=one.version,
        enabled=one.enabled,
        inputs=[_wire(wire) for wire in one.wiring.inputs],
        outputs=[_wire(wire) for wire in one.wiring.outputs],
        condition=one.wiring.condition,
    )


def _wire(wire: Wire) -> schemas.Wire:
    link = "" if wire.link is None else str(wire.link)
    return schemas.Wire(label=wire.label, link=link, transform=wire.transform)
