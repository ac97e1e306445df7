"""From the service's facts to the API's schemas."""

import base64
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from lwm2m_ml.client import schemas
from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition, ResourceDefinition
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml.server.message_log import LoggedMessage
from lwm2m_ml.service.devices import Device
from lwm2m_ml.service.profiles import CapabilityProfile
from lwm2m_ml.service.requests import DeviceRequest

AnySchema = TypeVar("AnySchema", bound=schemas.Schema)

JSON_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    str: "string",
    bytes: "opaque",
    ObjectLink: "objlnk",
    type(None): "none",
}


def as_schema(schema: type[AnySchema], fact: object) -> AnySchema:
    """A fact whose attributes have the names and types of the schema's members."""
    return schema.model_validate(fact, from_attributes=True)


def device(fact: Device, alarms: Mapping[str, int]) -> schemas.Device:
    """A device, with its profile when one was read; `alarms` counts the open ones of each endpoint."""
    return schemas.Device(
        endpoint=fact.endpoint,
        address=fact.address,
        lwm2m_version=fact.lwm2m_version,
        binding=fact.binding,
        lifetime=fact.lifetime,
        registered_at=fact.registered_at,
        last_seen=fact.last_seen,
        objects=list(fact.objects),
        profile=None if fact.profile is None else profile(fact.profile),
        running=[] if fact.profile is None else list(fact.profile.running),
        alarms=alarms.get(fact.endpoint, 0),
    )


def profile(fact: CapabilityProfile) -> schemas.Profile | None:
    """The first runtime of a profile together with the identity; None when the device reported no runtime."""
    runtime = fact.runtime
    if runtime is None:
        return None
    return schemas.Profile(
        target=runtime.target,
        instruction_set=list(runtime.instruction_set),
        clock_hz=runtime.clock_hz,
        storage_total=runtime.storage_total,
        storage_free=runtime.storage_free,
        maximum_module_size=runtime.maximum_module_size,
        memory_total=runtime.working_memory_total,
        module_formats=list(runtime.formats),
        manufacturer=fact.identity.manufacturer,
        model_number=fact.identity.model_number,
    )


def resource_value(record: Record, catalogue: Catalogue) -> schemas.ResourceValue:
    """One value: opaque in base64, a link as text; the type as the definition says, else as the value is."""
    value = record.value
    definition = catalogue.resource(record.path)
    kind = definition.type.value.lower() if definition is not None else JSON_TYPES[type(value)]
    plain = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return schemas.ResourceValue(
        path=str(record.path),
        type=kind,
        value=str(plain) if isinstance(plain, ObjectLink) else plain,
        timestamp=record.timestamp,
    )


def resource_values(records: Iterable[Record], catalogue: Catalogue) -> list[schemas.ResourceValue]:
    """Values in the order the device gave them."""
    return [resource_value(record, catalogue) for record in records]


def attribute_options(attributes: Mapping[str, int | float | bool]) -> list[str]:
    """Attributes as the query options of a Write-Attributes request."""
    return [f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in attributes.items()]


def device_request(fact: DeviceRequest, catalogue: Catalogue) -> schemas.DeviceRequest:
    """A queued operation as it stands."""
    return schemas.DeviceRequest(
        number=fact.number,
        endpoint=fact.endpoint,
        operation=fact.operation,
        paths=list(fact.paths),
        state=fact.state,
        created_at=fact.created_at,
        expires_at=fact.expires_at,
        ended_at=fact.ended_at,
        values=resource_values(fact.records, catalogue),
        text=fact.text,
        error=fact.error,
    )


def object_summary(definition: ObjectDefinition) -> schemas.ObjectSummary:
    """What an object is called."""
    return schemas.ObjectSummary(
        id=definition.object_id, name=definition.name, version=definition.version, urn=definition.urn
    )


def object_definition(definition: ObjectDefinition, versions: Sequence[str]) -> schemas.ObjectDefinition:
    """An object with its resources, and the versions there are of it."""
    return schemas.ObjectDefinition(
        **object_summary(definition).model_dump(),
        multiple=definition.multiple,
        mandatory=definition.mandatory,
        description=definition.description,
        versions=list(versions),
        resources=[_resource(resource) for resource in definition.resources.values()],
    )


def _resource(resource: ResourceDefinition) -> schemas.ResourceDefinition:
    return schemas.ResourceDefinition(
        id=resource.resource_id,
        name=resource.name,
        operations=str(resource.operations),
        type=resource.type.value,
        multiple=resource.multiple,
        mandatory=resource.mandatory,
        range=resource.range_text,
        units=resource.units,
        description=resource.description,
    )


def logged_message(fact: LoggedMessage) -> schemas.LoggedMessage:
    """A CoAP message, its payload in hexadecimal."""
    return schemas.LoggedMessage(**dataclasses.asdict(fact) | {"payload": fact.payload.hex()})
