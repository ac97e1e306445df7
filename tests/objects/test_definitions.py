"""The definition files of this project: valid, complete, and in their facts those of OMA."""

from pathlib import Path

import pytest
import xmlschema

from lwm2m_ml.lwm2m.ddf import parse_definitions, parse_reusable_resources, validate
from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition, Operations, ResourceType
from lwm2m_ml.lwm2m.shipped import objects_directory, shipped_files, shipped_reusable_resources

OMA_OBJECTS = {0, 1, 2, 3, 4, 5, 6, 7, 9, 16, 19, 21, 25, 513}
ML_OBJECTS = {42769, 42770, 42771, 42772, 42773}
FILES = dict(shipped_files())

# Marked mandatory in the description of the ML objects.
MANDATORY = {
    42769: {0, 1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 15, 21, 22, 24, 25, 26, 32, 35},
    42770: {0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 25, 26},
    42771: {0, 1, 5},
    42772: set(range(18)),
    42773: {0, 1, 2},
}
EXECUTABLE = {42769: {29}, 42770: {13, 14, 18, 24, 35}, 42771: {10, 11, 13}, 42772: {15, 16, 17}, 42773: {1}}
WRITABLE = {42769: {36}, 42770: {15, 22, 23, 32, 33, 34}, 42771: {5750}, 42772: set(range(5, 15)), 42773: {0}}
MULTIPLE = {
    42769: {11, 14, 15, 21, 22, 23, 24, 27, 28, 32},
    42770: {21},
    42771: {4, 6, 8, 9, 15},
    42772: set(),
    42773: {0, 3},
}
RESOURCES = {
    42769: set(range(38)),
    42770: set(range(37)),
    42771: set(range(17)) | {5518, 5700, 5701, 5750, 6050},
    42772: set(range(22)),
    42773: set(range(8)),
}


def defined(object_id: int) -> ObjectDefinition:
    (definition,) = parse_definitions(FILES[f"{object_id}.xml"])
    return definition


def test_one_file_per_object() -> None:
    assert set(FILES) == {f"{object_id}.xml" for object_id in OMA_OBJECTS | ML_OBJECTS}
    for object_id in OMA_OBJECTS | ML_OBJECTS:
        assert defined(object_id).object_id == object_id


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_is_valid(name: str) -> None:
    assert validate(FILES[name], name) == ()


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_is_valid_against_the_schema_of_oma(name: str, shared: Path) -> None:
    schema = xmlschema.XMLSchema(shared / "oma-registry" / "LWM2M-v1_1.xsd")
    schema.validate(FILES[name].decode())


@pytest.mark.parametrize("object_id", sorted(OMA_OBJECTS))
def test_oma_objects_have_the_registered_facts(object_id: int, shared: Path) -> None:
    (registered,) = parse_definitions((shared / "oma-registry" / f"{object_id}.xml").read_bytes())
    ours = defined(object_id)
    for name in ("name", "urn", "version", "lwm2m_version", "multiple", "mandatory"):
        assert getattr(ours, name) == getattr(registered, name), name
    assert set(ours.resources) == set(registered.resources)
    for number, resource in registered.resources.items():
        for name in ("operations", "type", "multiple", "mandatory", "range", "range_text", "units"):
            assert getattr(ours.resources[number], name) == getattr(resource, name), (number, name)
        assert ours.resources[number].name == " ".join(resource.name.split())


@pytest.mark.parametrize("object_id", sorted(OMA_OBJECTS))
def test_descriptions_are_our_own(object_id: int, shared: Path) -> None:
    (registered,) = parse_definitions((shared / "oma-registry" / f"{object_id}.xml").read_bytes())
    ours = defined(object_id)
    assert ours.description
    assert ours.description != registered.description
    for number, resource in registered.resources.items():
        assert ours.resources[number].description
        if len(resource.description) > 30:
            assert ours.resources[number].description != resource.description


@pytest.mark.parametrize("object_id", sorted(ML_OBJECTS))
def test_ml_objects_have_their_resources_marks_and_operations(object_id: int) -> None:
    definition = defined(object_id)
    assert definition.urn == f"urn:oma:lwm2m:x:{object_id}"
    assert definition.multiple
    resources = definition.resources
    assert set(resources) == RESOURCES[object_id]
    assert {number for number, resource in resources.items() if resource.mandatory} == MANDATORY[object_id]
    assert {number for number, resource in resources.items() if resource.multiple} == MULTIPLE[object_id]
    for number, resource in resources.items():
        expected = Operations.READ
        if number in EXECUTABLE[object_id]:
            expected = Operations.EXECUTE
        elif number in WRITABLE[object_id]:
            expected = Operations.READ | Operations.WRITE
        assert resource.operations == expected, number
        assert (resource.type is ResourceType.NONE) == (number in EXECUTABLE[object_id]), number
        assert resource.name
        assert resource.description


@pytest.mark.parametrize(
    ("object_id", "number", "name", "kind", "units"),
    [
        (42769, 3, "Clock", ResourceType.FLOAT, "MHz"),
        (42769, 8, "Maximum Module Size", ResourceType.UNSIGNED_INTEGER, "B"),
        (42769, 22, "Signature Algorithms", ResourceType.INTEGER, ""),
        (42769, 24, "Trust Anchors", ResourceType.OPAQUE, ""),
        (42769, 27, "Sensors", ResourceType.OBJECT_LINK, ""),
        (42769, 31, "Active Power", ResourceType.FLOAT, "W"),
        (42770, 3, "Module Digest", ResourceType.OPAQUE, ""),
        (42770, 15, "Trial Period", ResourceType.UNSIGNED_INTEGER, "s"),
        (42770, 23, "Inference Period", ResourceType.UNSIGNED_INTEGER, "ms"),
        (42770, 30, "Mean Energy", ResourceType.FLOAT, "J"),
        (42770, 36, "Last State Change Time", ResourceType.TIME, ""),
        (42771, 1, "Class", ResourceType.INTEGER, ""),
        (42771, 3, "Confidence", ResourceType.FLOAT, "/100"),
        (42771, 12, "Captured Input", ResourceType.OBJECT_LINK, ""),
        (42771, 14, "Agreement", ResourceType.FLOAT, "/100"),
    ],
)
def test_ml_resources(object_id: int, number: int, name: str, kind: ResourceType, units: str) -> None:
    resource = defined(object_id).resources[number]
    assert (resource.name, resource.type, resource.units) == (name, kind, units)


def test_reused_resources_are_those_of_the_registry() -> None:
    reusable = {resource.resource_id: resource for resource in shipped_reusable_resources()}
    for number in (5518, 5700, 5701, 5750, 6050):
        ours = defined(42771).resources[number]
        assert (ours.name, ours.type, ours.operations) == (
            reusable[number].name,
            reusable[number].type,
            reusable[number].operations,
        )


def test_reusable_resources_have_the_registered_facts(shared: Path) -> None:
    registered = parse_reusable_resources((shared / "oma-registry" / "Common.xml").read_bytes())
    ours = {resource.resource_id: resource for resource in shipped_reusable_resources()}
    assert set(ours) == {resource.resource_id for resource in registered}
    for resource in registered:
        known = ours[resource.resource_id]
        assert (known.type, known.operations, known.units) == (resource.type, resource.operations, resource.units)


def test_the_shipped_catalogue_holds_every_file() -> None:
    catalogue = Catalogue.shipped()
    assert {definition.object_id for definition in catalogue} == OMA_OBJECTS | ML_OBJECTS
    assert objects_directory().is_dir()
