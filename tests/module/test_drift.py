"""The drift reference: what contradicts itself is refused."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml.module.errors import InvalidDescriptorError

REFERENCE = DriftReference((1.0, 2.0), (0.5, 0.25), ((0.0,), (1.0, 2.0)), ((0.5, 0.5), (0.0, 1.0, 0.0)), (0.5, 0.5))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5, unique=True).map(sorted))
def test_references_survive_the_round_trip(edges: list[float]) -> None:
    original = DriftReference((0.5,), (1.0,), (tuple(edges),), ((0.0,) * (len(edges) + 1),))
    assert DriftReference.from_map(original.as_map()) == original


@pytest.mark.parametrize(
    "changes",
    [
        {"means": (1.0,)},
        {"edges": ((0.0,), (2.0, 1.0))},
        {"edges": ((0.0,), ())},
        {"shares": ((0.5, 0.5), (1.0,))},
        {"deviations": (0.5, float("nan"))},
        {"class_shares": (float("inf"),)},
        {"means": (), "deviations": (), "edges": (), "shares": ()},
    ],
)
def test_a_reference_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDescriptorError):
        dataclasses.replace(REFERENCE, **changes)


@pytest.mark.parametrize("change", [{1: 5}, {1: ["x", 1.0]}, {3: [1.0, 2.0]}, {3: 7}, {9: 1}, {5: [True]}])
def test_a_map_of_another_form_is_refused(change: dict[int, Any]) -> None:
    with pytest.raises(InvalidDescriptorError):
        DriftReference.from_map(REFERENCE.as_map() | change)
