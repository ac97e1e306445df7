"""Pages: every item once, in order, while the list changes; cursors of others are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.api.paging import decode, encode, page_of_all
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.errors import UsageError

NAMES = st.sets(st.text(max_size=6), max_size=40)


def page(names: set[str], limit: int, cursor: str) -> Page[str]:
    return page_of_all(names, limit, cursor, str, str)


@given(NAMES, st.integers(1, 10))
def test_the_pages_together_are_the_list(names: set[str], limit: int) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    for _ in range(len(names) + 1):
        assert cursor is not None
        found = page(names, limit, cursor)
        assert len(found.items) <= limit
        seen += found.items
        cursor = found.next
        if cursor is None:
            break
    assert seen == sorted(names)


@given(NAMES, NAMES, NAMES)
def test_what_was_there_all_the_time_is_seen_once_whatever_comes_and_goes(
    stay: set[str], come: set[str], go: set[str]
) -> None:
    first = page(stay | go, 5, "")
    rest = page(stay | come, 1_000, first.next) if first.next else Page[str](items=[])
    seen = [name for name in (*first.items, *rest.items) if name in stay]
    assert seen == sorted(stay)


@given(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=50)))
def test_a_cursor_is_its_place(place: tuple[float, str]) -> None:
    assert decode(encode(place), float, str) == place


@given(st.text(min_size=1, max_size=40))
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    try:
        place = decode(text, str, int, str)
    except UsageError:
        return
    assert place is not None
    assert [type(value) for value in place] == [str, int, str]


@pytest.mark.parametrize("place", [("a",), (1,), ("a", "b"), ()])
def test_a_cursor_of_another_list_is_refused(place: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="not one of this list"):
        decode(encode(place), int, str)
