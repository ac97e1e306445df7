"""The API's calls about fit and device types."""

from pydantic import TypeAdapter

from lwm2m_ml.client.call import LARGEST_PAGE, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import fit as schemas


def fit(request: schemas.FitRequest) -> Call[schemas.FitAnswer]:
    """Look at every way to put a model on devices; what is not at hand is compiled first."""
    body = request.model_dump(exclude_none=True)
    return Call("POST", "/fit", TypeAdapter(schemas.FitAnswer), json=body, timeout=900.0, only_reads=True)


def device_types() -> Call[Page[schemas.DeviceType]]:
    """Every device type, by name."""
    return Call("GET", "/device-types", TypeAdapter(Page[schemas.DeviceType]), query=query_of(limit=LARGEST_PAGE))


def add_device_type(described: schemas.DeviceType) -> Call[schemas.DeviceType]:
    """Describe a device type."""
    return Call("POST", "/device-types", TypeAdapter(schemas.DeviceType), json=described.model_dump())


def remove_device_type(name: str) -> Call[None]:
    """Forget a device type."""
    return Call("DELETE", f"/device-types/{segment(name)}", NOTHING)
