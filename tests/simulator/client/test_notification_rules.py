import pytest

from lwm2m_ml.lwm2m.attributes import AttributesError, NotificationAttributes
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.client.notification_rules import AttributeStore, lets_through

RESOURCE = ObjectPath.parse("/3303/0/5700")


@pytest.fixture
def store(catalogue: Catalogue) -> AttributeStore:
    return AttributeStore(
        catalogue, lambda: "1.1", lambda: NotificationAttributes(minimum_period=2, maximum_period=300)
    )


def test_levels_inherit_and_the_lower_one_wins(store: AttributeStore) -> None:
    store.write(ObjectPath(3303), ["pmax=100"])
    store.write(RESOURCE, ["pmin=5", "gt=3"])
    assert store.in_force(RESOURCE) == NotificationAttributes(5, 100, 3)
    assert store.in_force(ObjectPath(3303, 1)) == NotificationAttributes(2, 100)
    assert store.in_force(ObjectPath(3)) == NotificationAttributes(2, 300)


def test_a_bare_name_removes_an_attribute(store: AttributeStore) -> None:
    store.write(RESOURCE, ["pmin=5", "st=2"])
    store.write(RESOURCE, ["pmin"])
    assert store.assigned(RESOURCE) == NotificationAttributes(step=2)


@pytest.mark.parametrize("query", [["pmin=9", "pmax=3"], ["colour=red"], ["con=1"]])
def test_what_contradicts_itself_changes_nothing(store: AttributeStore, query: list[str]) -> None:
    with pytest.raises(AttributesError):
        store.write(RESOURCE, query)
    assert store.assigned(RESOURCE) == NotificationAttributes()


@pytest.mark.parametrize(
    ("attributes", "before", "now", "expected"),
    [
        (NotificationAttributes(), 1.0, 1.0, True),
        (NotificationAttributes(greater_than=5), 4.0, 6.0, True),
        (NotificationAttributes(greater_than=5), 6.0, 7.0, False),
        (NotificationAttributes(less_than=5), 6.0, 4.0, True),
        (NotificationAttributes(step=2), 4.0, 5.9, False),
        (NotificationAttributes(step=2), 4.0, 6.0, True),
        (NotificationAttributes(step=2), None, 6.0, True),
    ],
)
def test_conditions_let_through_what_they_name(
    attributes: NotificationAttributes, before: float | None, now: float | None, expected: bool
) -> None:
    assert lets_through(attributes, before, now) is expected
