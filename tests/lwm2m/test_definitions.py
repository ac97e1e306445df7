import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition, Operations, ResourceDefinition, ResourceType
from lwm2m_ml.lwm2m.path import ObjectPath

path = ObjectPath.parse


def version_of(version: str, *resources: int) -> ObjectDefinition:
    return ObjectDefinition(
        33002,
        "Thing",
        version,
        resources={
            number: ResourceDefinition(number, version, Operations.READ, ResourceType.STRING) for number in resources
        },
    )


@pytest.fixture
def versions() -> Catalogue:
    return Catalogue([version_of("1.0", 0), version_of("2.0", 0), version_of("1.2", 0, 1), version_of("1.10", 0, 1, 2)])


def test_the_newest_version_counts_unless_one_is_named(versions: Catalogue) -> None:
    assert versions.versions(33002) == ("1.0", "1.2", "1.10", "2.0")
    newest, named = versions.get(33002), versions.get(33002, "1.2")
    assert newest is not None
    assert newest.version == "2.0"
    assert named is not None
    assert named.version == "1.2"
    assert versions.get(33002, "3.0") is None
    assert versions.get(4711) is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("1.0", "1.0"), ("1.1", "1.2"), ("1.3", "1.10"), ("1.11", "1.10"), ("2.5", "2.0"), ("3.0", None)],
)
def test_the_closest_version_of_the_same_major_serves(versions: Catalogue, wanted: str, found: str | None) -> None:
    definition = versions.closest(33002, wanted)
    assert (definition and definition.version) == found


def test_a_device_gets_the_versions_it_registered(versions: Catalogue) -> None:
    view = versions.for_versions({33002: "1.1"})
    resource = view.resource(path("/33002/0/1"))
    assert resource is not None
    assert resource.name == "1.2"
    assert versions.resource(path("/33002/0/1")) is None
    assert versions.for_versions({33002: "9.0"}).get(33002) is None


def test_a_definition_replaces_one_of_the_same_version(versions: Catalogue) -> None:
    versions.add(version_of("2.0", 5))
    assert versions.resource(path("/33002/0/5")) is not None
    assert versions.resource(path("/33002/0/0")) is None


def test_resources_are_found_from_their_instances_but_not_from_above(catalogue: Catalogue) -> None:
    assert catalogue.resource(path("/3/0/6/1")) == catalogue.resource(path("/3/0/6"))
    assert catalogue.resource(path("/3/0")) is None
    assert catalogue.resource(path("/")) is None


def test_reusable_resources_serve_unknown_objects(catalogue: Catalogue) -> None:
    resource = catalogue.resource(path("/3303/0/5700"))
    assert resource is not None
    assert resource.type is ResourceType.FLOAT
    assert catalogue.resource(path("/3303/0/1")) is None


def test_each_shipped_catalogue_is_its_own() -> None:
    first, second = Catalogue.shipped(), Catalogue.shipped()
    first.add(version_of("1.0", 0))
    assert 33002 in first
    assert 33002 not in second
    assert len(first) == len(second) + 1


@pytest.mark.parametrize("text", ["", "R", "W", "RW", "E"])
def test_operations_read_back(text: str) -> None:
    assert str(Operations.parse(text)) == text


def test_an_object_can_be_given_another_number(catalogue: Catalogue) -> None:
    original = catalogue.get(42769)
    assert original is not None
    moved = original.renumbered(26241)
    assert (moved.object_id, moved.urn) == (26241, "urn:oma:lwm2m:x:26241")
    assert moved.resources == original.resources
