import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.attributes import (
    RULES,
    AttributeChange,
    AttributesError,
    NotificationAttributes,
    attributes_of_link,
    check_consistent,
    check_placement,
    format_attributes,
    inherited,
    parse_attributes,
)
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath

NOTHING = NotificationAttributes()


def test_all_attributes_are_read() -> None:
    found = parse_attributes(
        ["pmin=1", "pmax=2", "gt=3.5", "lt=-4", "st=0.5", "epmin=6", "epmax=7", "con=1", "edge=0", "hqmax=8"]
    )
    assert found.set == NotificationAttributes(1, 2, 3.5, -4.0, 0.5, 6, 7, True, False, 8)


def test_a_bare_name_clears() -> None:
    present = NotificationAttributes(minimum_period=1, maximum_period=5)
    assert parse_attributes(["pmax"]).applied_to(present) == NotificationAttributes(minimum_period=1)


@pytest.mark.parametrize(
    "query",
    [
        "pmin=-1",
        "pmin=1.5",
        "pmin=",
        "con=2",
        "st=0",
        "st=-1",
        "gt=nan",
        "gt=1e999",
        "x=1",
        "pmin=1&pmin=2",
        "pmin=1&pmin",
        "",
    ],
)
def test_malformed_attributes_are_refused(query: str) -> None:
    with pytest.raises(AttributesError):
        parse_attributes(query.split("&"))


@pytest.mark.parametrize(
    ("query", "consistent"),
    [
        (["pmin=5", "pmax=5"], True),
        (["pmin=6", "pmax=5"], False),
        (["pmin=6", "pmax=0"], True),
        (["epmin=5", "epmax=5"], True),
        (["epmin=6", "epmax=5"], False),
        (["lt=1", "gt=2"], True),
        (["lt=2", "gt=2"], False),
        (["lt=1", "gt=2", "st=0.4"], True),
        (["lt=1", "gt=2", "st=0.5"], False),
        (["lt=1", "st=100"], True),
    ],
)
def test_cross_checks(query: list[str], consistent: bool) -> None:
    change = parse_attributes(query)
    if consistent:
        check_consistent(change.applied_to(NOTHING))
    else:
        with pytest.raises(AttributesError):
            change.applied_to(NOTHING)


def test_cross_checks_see_what_is_there_already() -> None:
    with pytest.raises(AttributesError, match="pmin=10"):
        parse_attributes(["pmin=10"]).applied_to(NotificationAttributes(maximum_period=5))


def test_lower_levels_override_higher_ones() -> None:
    server = NotificationAttributes(minimum_period=1, maximum_period=60)
    instance = NotificationAttributes(maximum_period=30, confirmable=True)
    resource = NotificationAttributes(confirmable=False, greater_than=5.0)
    assert inherited([server, NOTHING, instance, resource]) == NotificationAttributes(
        minimum_period=1, maximum_period=30, confirmable=False, greater_than=5.0
    )


def test_an_inherited_maximum_below_the_minimum_is_ignored() -> None:
    levels = [NotificationAttributes(maximum_period=5), NotificationAttributes(minimum_period=10)]
    assert inherited(levels) == NotificationAttributes(minimum_period=10)


@pytest.mark.parametrize(
    ("query", "path", "version", "fits"),
    [
        ("pmin=1", "/3", "1.0", True),
        ("pmin=1", "/3/0/6/0", "1.1", True),
        ("gt=1", "/3/0", "1.1", False),
        ("gt=1", "/3/0/9", "1.0", True),
        ("gt=1", "/3/0/0", "1.1", False),
        ("gt=1", "/9999/0/0", "1.1", True),
        ("epmin=1", "/3/0", "1.0", False),
        ("epmin=1", "/3/0", "1.1", True),
        ("con=1", "/3/0", "1.1", False),
        ("con=1", "/3/0", "1.2", True),
        ("edge=1", "/9/0/12", "1.2", True),
        ("edge=1", "/3/0/9", "1.2", False),
        ("hqmax=1", "/3/0/9", "1.2", True),
        ("pmin=1", "/", "1.2", False),
        ("edge", "/3/0", "1.2", False),
    ],
)
def test_each_attribute_has_its_levels_types_and_version(
    query: str, path: str, version: str, fits: bool, catalogue: Catalogue
) -> None:
    expectation = contextlib.nullcontext() if fits else pytest.raises(AttributesError)
    with expectation:
        check_placement(parse_attributes([query]), ObjectPath.parse(path), catalogue, version=version)


SECONDS = st.none() | st.integers(0, 2**32 - 1)
NUMBERS = st.none() | st.integers(-(10**6), 10**6).map(lambda number: number / 64)
FLAGS = st.none() | st.booleans()
ATTRIBUTES = st.builds(
    NotificationAttributes,
    *(SECONDS, SECONDS, NUMBERS, NUMBERS, st.none() | st.just(0.25), SECONDS, SECONDS, FLAGS, FLAGS, SECONDS),
)


@given(ATTRIBUTES, st.frozensets(st.sampled_from(sorted(RULES))))
def test_attributes_read_back(attributes: NotificationAttributes, cleared: frozenset[str]) -> None:
    kept = AttributeChange(NOTHING, cleared)
    assert parse_attributes(format_attributes(AttributeChange(attributes))) == AttributeChange(attributes)
    assert parse_attributes(format_attributes(kept)) == kept


def test_discover_links_tell_attributes() -> None:
    found = attributes_of_link({"pmin": "10", "gt": "5", "dim": "8", "pmax": "junk", "con": None})
    assert found == NotificationAttributes(minimum_period=10, greater_than=5.0)
