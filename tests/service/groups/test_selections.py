"""Who is meant by a name, a group, a filter or nothing at all."""

from typing import Any

import pytest

from lwm2m_ml.errors import ConflictError, NotFoundError, UsageError
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.registration import Registration
from lwm2m_ml.server.registry import Registry
from lwm2m_ml.service.groups.groups import Groups
from lwm2m_ml.service.groups.selections import Selections
from lwm2m_ml.store import Store


class Unknown:
    """Knows no profiles."""

    def get(self, _: str) -> None:
        return None


NOTHING_KNOWN: Any = Unknown()
NO_PEER: Any = None


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    for endpoint in ("oslo-1", "oslo-2", "rome-1"):
        parameters = RegistrationParameters(None)
        registry.put(Registration(endpoint, f"at-{endpoint}", parameters, None, NO_PEER, 0.0, 0.0))
    return registry


@pytest.fixture
async def groups(store: Store, registry: Registry) -> Groups:
    groups = Groups(store, registry, NOTHING_KNOWN)
    await groups.tag("oslo-1", ["warm"])
    return groups


@pytest.fixture
def selections(registry: Registry, groups: Groups) -> Selections:
    return Selections(registry, groups, lambda: "coap://here")


def test_without_a_word_everybody_is_meant(selections: Selections) -> None:
    found = selections.choose()
    assert (found.text, set(found.endpoints)) == ("all", {"oslo-1", "oslo-2", "rome-1"})


async def test_groups_and_filters_mean_who_matches_now(selections: Selections, groups: Groups) -> None:
    await groups.add("warm", "tag=warm")
    assert selections.choose(group="warm").endpoints == ("oslo-1",)
    assert set(selections.choose(filter="endpoint=oslo-*").endpoints) == {"oslo-1", "oslo-2"}
    await groups.tag("rome-1", ["warm"])
    assert set(selections.choose(group="warm").endpoints) == {"oslo-1", "rome-1"}


def test_names_are_those_of_registered_devices(selections: Selections) -> None:
    assert selections.choose(endpoints=["rome-1"]).endpoints == ("rome-1",)
    with pytest.raises(NotFoundError):
        selections.choose(endpoints=["rome-1", "paris-1"])
    with pytest.raises(UsageError, match="No device is named"):
        selections.choose(endpoints=[])


def test_nobody_is_meant_by_mistake(selections: Selections, registry: Registry) -> None:
    with pytest.raises(ConflictError, match="filter tag=cold"):
        selections.choose(filter="tag=cold")
    for endpoint in ("oslo-1", "oslo-2", "rome-1"):
        registry.remove(endpoint)
    with pytest.raises(ConflictError) as caught:
        selections.choose()
    assert "coap://here" in str(caught.value.hint)


def test_a_condition_holds_for_devices_that_match_and_are_among_those_given(groups: Groups) -> None:
    assert groups.condition("") is None
    condition = groups.condition("endpoint=oslo-*", {"oslo-2", "rome-1"})
    assert condition is not None
    assert [endpoint for endpoint in ("oslo-1", "oslo-2", "rome-1") if condition(endpoint)] == ["oslo-2"]
