"""The compressed header, RFC 8613 §6.3's examples among others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.oscore.errors import UnreadableProtection
from lwm2m_ml.coap.oscore.option import OscoreOption, decode_option

PARTIAL_IVS = st.binary(max_size=5).filter(lambda value: len(value) < 2 or value[0] != 0)
KIDS = st.none() | st.binary(max_size=7)


@given(PARTIAL_IVS, KIDS, KIDS)
def test_what_was_encoded_is_decoded(partial_iv: bytes, kid: bytes | None, kid_context: bytes | None) -> None:
    option = OscoreOption(partial_iv, kid, kid_context)
    assert decode_option(option.encode()) == option


@given(st.binary(max_size=20))
def test_any_bytes_are_an_option_or_unreadable(value: bytes) -> None:
    try:
        option = decode_option(value)
    except UnreadableProtection:
        return
    assert option.encode() == value


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (OscoreOption(b"\x05", b"\x25"), "090525"),
        (OscoreOption(b"\x05", b"", b"\x44\x61\x6c\x65\x6b"), "19050544616c656b"),
        (OscoreOption(), ""),
        (OscoreOption(b"\x07"), "0107"),
    ],
)
def test_the_examples_of_the_rfc(option: OscoreOption, value: str) -> None:
    assert option.encode().hex() == value
