"""The calls about how models on a device are wired (object 513)."""

from pydantic import TypeAdapter

from lwm2m_ml.client.call import Call, query_of, segment
from lwm2m_ml.client.schemas import configurations as schemas

PATIENCE = 300.0
"""Several resources are written and read, each of them from a device that may take its time."""


def configurations(endpoint: str, *, behind: str = "") -> Call[list[schemas.ModelConfiguration]]:
    """How the models of a device, or of one behind it, are wired."""
    return Call(
        "GET",
        f"/devices/{segment(endpoint)}/configurations",
        TypeAdapter(list[schemas.ModelConfiguration]),
        query=query_of(behind=behind),
        timeout=PATIENCE,
    )


def configure(
    endpoint: str, slot: int, change: schemas.ConfigurationChange, *, behind: str = ""
) -> Call[schemas.ModelConfiguration]:
    """Wire the model in a slot anew, or enable or disable it."""
    return Call(
        "PATCH",
        f"/devices/{segment(endpoint)}/configurations/{slot}",
        TypeAdapter(schemas.ModelConfiguration),
        json=change.model_dump(exclude_none=True),
        query=query_of(behind=behind),
        timeout=PATIENCE,
    )
