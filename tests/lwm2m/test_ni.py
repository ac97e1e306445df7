"""ni URIs: the RFC's own example, there and back, and texts that are none."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.ni import InvalidNi, format_ni, parse_ni


def test_the_example_of_the_rfc() -> None:
    # RFC 6920 §8.1: "Hello World!"
    text = "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
    assert format_ni(sha256(b"Hello World!").digest()) == text
    assert parse_ni(text) == sha256(b"Hello World!").digest()


def test_an_authority_and_parameters_change_nothing() -> None:
    digest = sha256(b"").digest()
    name = format_ni(digest).removeprefix("ni:///")
    assert parse_ni(f"ni://example.com/{name}?ct=application/octet-stream") == digest


@given(st.binary(min_size=32, max_size=32))
def test_there_and_back(digest: bytes) -> None:
    assert parse_ni(format_ni(digest)) == digest


@pytest.mark.parametrize(
    "text",
    ["", "ni:///sha-256;", "ni:///sha-512;" + "A" * 43, "https://x/" + "A" * 43, "ni:///sha-256;" + "A" * 42 + "B"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidNi):
        parse_ni(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_ni(text)
    except InvalidNi:
        return
