"""Definitions of LwM2M objects."""

from lwm2m_ml.client.schemas.shape import Schema


class ObjectSummary(Schema):
    """An LwM2M object that the server has a definition of, in its newest version."""

    id: int
    name: str
    version: str
    urn: str


class ResourceDefinition(Schema):
    """A resource of an object: `operations` holds R, W and E."""

    id: int
    name: str
    operations: str
    type: str
    multiple: bool
    mandatory: bool
    range: str
    units: str
    description: str


class ObjectDefinition(Schema):
    """The definition of an object."""

    id: int
    name: str
    version: str
    urn: str
    multiple: bool
    mandatory: bool
    description: str
    versions: list[str]
    resources: list[ResourceDefinition]
