"""The Pareto front, against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.compiler.shrink.pareto import pareto_front

points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(points)
def test_front_is_what_nothing_dominates(items: list[tuple[int, int]]) -> None:
    front = pareto_front(items, lambda item: item)
    for item in items:
        better = [o for o in items if o != item and o[0] <= item[0] and o[1] <= item[1]]
        assert (item in front) == (not better)
    assert front == sorted(front)
