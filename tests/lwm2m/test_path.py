import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.path import ROOT, ObjectPath, PathError

PATHS = st.lists(st.integers(0, 65534), max_size=4).map(lambda numbers: ObjectPath.of(*numbers))


@given(PATHS)
def test_a_path_reads_back_from_its_text(path: ObjectPath) -> None:
    assert ObjectPath.parse(str(path)) == path


@pytest.mark.parametrize(
    ("text", "level"), [("/", 0), ("", 0), ("/3", 1), ("/3/0", 2), ("/3/0/", 2), ("/3/0/1", 3), ("/3/0/6/0", 4)]
)
def test_levels(text: str, level: int) -> None:
    assert ObjectPath.parse(text).level == level


@pytest.mark.parametrize(
    "text",
    ["3/0", "//", "/a", "/03", "/3//1", "/3/0/6/0/1", "/65535", "/-1", "/3/ 0", "/³", "/3/0\n", "/" * 1000, "/99999"],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        ObjectPath.parse(text)


@pytest.mark.parametrize("numbers", [(None, 1), (1, None, 2), (65535,), (-1,), (1, 2, 3, 65535)])
def test_a_path_has_no_gaps_and_no_reserved_numbers(numbers: tuple[int | None, ...]) -> None:
    with pytest.raises(PathError):
        ObjectPath(*numbers)


@given(PATHS, PATHS)
def test_a_path_contains_what_begins_with_it(path: ObjectPath, other: ObjectPath) -> None:
    assert path.contains(other) == (other.segments[: path.level] == path.segments)
    assert path.contains(path)
    assert ROOT.contains(path)
    if path.level < 4:
        assert path.contains(path.child(7))
        assert path.child(7).parent == path


@given(st.lists(PATHS))
def test_paths_are_ordered_by_their_numbers(paths: list[ObjectPath]) -> None:
    assert [path.segments for path in sorted(paths)] == sorted(path.segments for path in paths)
