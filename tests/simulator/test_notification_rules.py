import pytest
from aiocoap import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.notification_rules import AttributeStore, NotificationRule
from lwm2m_ml_simulator.objects.base import OperationRefused

RESOURCE = ObjectPath.parse("/3303/0/5700")


def test_levels_inherit_and_the_lower_one_wins() -> None:
    store = AttributeStore()
    store.write(ObjectPath(3303), ["pmin=1", "pmax=100"])
    store.write(RESOURCE, ["pmin=5", "gt=3"])
    assert store.rule(RESOURCE) == NotificationRule(5, 100, 3)
    assert store.rule(ObjectPath(3303, 1)) == NotificationRule(1, 100)


def test_a_bare_name_removes_an_attribute() -> None:
    store = AttributeStore()
    store.write(RESOURCE, ["pmin=5", "st=2"])
    store.write(RESOURCE, ["pmin"])
    assert store.assigned(RESOURCE) == {"st": "2"}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (RESOURCE, ["pmin=9", "pmax=3"]),
        (RESOURCE, ["lt=3", "gt=3"]),
        (RESOURCE, ["lt=1", "gt=4", "st=2"]),
        (RESOURCE, ["colour=red"]),
        (RESOURCE, ["pmin=-1"]),
        (RESOURCE, ["gt=nan"]),
        (RESOURCE, ["gt="]),
        (ObjectPath(3303, 0), ["gt=3"]),
    ],
)
def test_what_contradicts_itself_changes_nothing(path: ObjectPath, query: list[str]) -> None:
    store = AttributeStore()
    with pytest.raises(OperationRefused) as refusal:
        store.write(path, query)
    assert refusal.value.code is Code.BAD_REQUEST
    assert store.assigned(path) == {}


@pytest.mark.parametrize(
    ("rule", "before", "now", "expected"),
    [
        (NotificationRule(), 1.0, 1.0, True),
        (NotificationRule(greater_than=5), 4.0, 6.0, True),
        (NotificationRule(greater_than=5), 6.0, 7.0, False),
        (NotificationRule(less_than=5), 6.0, 4.0, True),
        (NotificationRule(step=2), 4.0, 5.9, False),
        (NotificationRule(step=2), 4.0, 6.0, True),
        (NotificationRule(step=2), None, 6.0, True),
    ],
)
def test_conditions_let_through_what_they_name(
    rule: NotificationRule, before: float | None, now: float | None, expected: bool
) -> None:
    assert rule.lets_through(before, now) is expected
