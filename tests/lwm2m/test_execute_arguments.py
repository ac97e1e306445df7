import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.execute_arguments import ExecuteArgumentsError, format_arguments, parse_arguments

VALUES = st.none() | st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="'\\"), max_size=20)


@pytest.mark.parametrize(
    ("payload", "arguments"),
    [
        (b"", {}),
        (b"5", {5: None}),
        (b"2='10.3'", {2: "10.3"}),
        (b"7,0='https://www.oma.org'", {7: None, 0: "https://www.oma.org"}),
        (b"0,1,2,3,4", dict.fromkeys(range(5))),
        (b"0=''", {0: ""}),
    ],
)
def test_the_examples_of_the_specification(payload: bytes, arguments: dict[int, str | None]) -> None:
    assert parse_arguments(payload) == arguments
    assert format_arguments(arguments) == payload


@given(st.dictionaries(st.integers(0, 9), VALUES))
def test_arguments_read_back(arguments: dict[int, str | None]) -> None:
    assert parse_arguments(format_arguments(arguments)) == arguments


@pytest.mark.parametrize(
    "payload", [b"10", b"a", b"0=a", b"0='a", b"0,", b",0", b"0,0", b"0='a''", b"0 ,1", b"\xff", b"0" * 5000]
)
def test_malformed_arguments_are_refused(payload: bytes) -> None:
    with pytest.raises(ExecuteArgumentsError):
        parse_arguments(payload)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_read_or_refused(payload: bytes) -> None:
    with contextlib.suppress(ExecuteArgumentsError):
        parse_arguments(payload)


@pytest.mark.parametrize("arguments", [{10: None}, {-1: None}, {0: "it's"}, {0: "a\nb"}])
def test_what_cannot_be_written_is_refused(arguments: dict[int, str | None]) -> None:
    with pytest.raises(ExecuteArgumentsError):
        format_arguments(arguments)
