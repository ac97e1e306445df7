"""Arbitrary bytes either yield records or raise the one error, whatever the format and the path."""

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.codecs import CodecError, decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink

BASES = [
    ROOT,
    *map(ObjectPath.parse, ("/3", "/3/0", "/3/0/0", "/3/0/6", "/3/0/6/0", "/33000/1", "/33000/1/4", "/9999/0")),
]
RECORDS = (
    Record(ObjectPath(33000, 1, 0), "text"),
    Record(ObjectPath(33000, 1, 1), -70_000),
    Record(ObjectPath(33000, 1, 2), 2**63),
    Record(ObjectPath(33000, 1, 3), 1.1),
    Record(ObjectPath(33000, 1, 4), True),
    Record(ObjectPath(33000, 1, 5), bytes(range(20))),
    Record(ObjectPath(33000, 1, 7), ObjectLink(3, 0)),
    Record(ObjectPath(33000, 1, 301, 1), 5),
    Record(ObjectPath(33000, 1, 301, 300), 6),
)
STRUCTURED = [110, 112, 320, 322, 11542, 11543, 11544]
relaxed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

JSON_WORDS = (
    *('"bn"', '"n"', '"v"', '"vs"', '"vb"', '"vd"', '"vlo"', '"bt"', '"t"', '"e"', '"sv"', '"ov"', '"bver"', '"x_"'),
    *(
        '"/3/0/"',
        '"/33000/1/"',
        '"0"',
        '"3"',
        '"AQ"',
        '"3:0"',
        '"\\ud800"',
        "1",
        "-1.5",
        "1e999",
        "true",
        "null",
        "NaN",
    ),
)
CBOR_WORDS = (
    *("80", "81", "82", "9f", "ff", "a0", "a1", "a2", "a3", "bf", "00", "02", "03", "04", "06", "08", "20", "21", "22"),
    *("24", "63766c6f", "652f332f302f", "6130", "63333a30", "f4", "f5", "f6", "f7", "f97e00", "fb7ff0000000000000"),
    *(
        "c0",
        "c1",
        "c4",
        "c2",
        "1bffffffffffffffff",
        "9b00000000ffffffff",
        "5f",
        "7f",
        "4161",
        "1980e8",
        "d81c",
        "d81d00",
    ),
)

# Pieces that real payloads are made of: random bytes alone rarely get past the first check.
JSON_PIECES = st.sampled_from([*"[]{},:", *JSON_WORDS])
CBOR_PIECES = st.sampled_from([bytes.fromhex(piece) for piece in CBOR_WORDS])
PAYLOADS = (
    st.binary(max_size=400)
    | st.lists(JSON_PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode())
    | st.lists(CBOR_PIECES, max_size=40).map(b"".join)
)


@pytest.mark.parametrize("content_format", list(ContentFormat))
@given(payload=PAYLOADS, base=st.sampled_from(BASES))
@example(payload=b"", base=ROOT)
@relaxed
def test_arbitrary_bytes_yield_records_or_the_one_error(
    content_format: ContentFormat, payload: bytes, base: ObjectPath, catalogue: Catalogue
) -> None:
    with contextlib.suppress(CodecError):
        for record in decode(payload, content_format, base, catalogue):
            assert base.contains(record.path)


@pytest.mark.parametrize("content_format", STRUCTURED)
def test_every_truncation_of_a_valid_payload_is_handled(content_format: int, catalogue: Catalogue) -> None:
    base = ObjectPath(33000, 1)
    payload = encode(RECORDS, content_format, base, catalogue)
    assert set(decode(payload, content_format, base, catalogue)) == set(RECORDS)
    for length in range(len(payload)):
        try:
            found = decode(payload[:length], content_format, base, catalogue)
        except CodecError:
            continue
        # Entries of TLV stand by themselves: a cut between two leaves the earlier ones.
        assert content_format == ContentFormat.TLV
        assert found == RECORDS[: len(found)]


@pytest.mark.parametrize("content_format", STRUCTURED)
@given(data=st.data())
@relaxed
def test_damaged_payloads_are_handled(content_format: int, data: st.DataObject, catalogue: Catalogue) -> None:
    base = ObjectPath(33000, 1)
    payload = bytearray(encode(RECORDS, content_format, base, catalogue))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CodecError):
        decode(bytes(payload), content_format, base, catalogue)


BOMBS: dict[str, Callable[[], tuple[int, bytes]]] = {
    "nested CBOR arrays": lambda: (112, b"\x81" * 500_000),
    "nested CBOR arrays that announce millions": lambda: (112, b"\x9a\x00\xff\xff\xff" * 100_000),
    "a CBOR array that announces 2^64 items": lambda: (112, b"\x9b" + b"\xff" * 8),
    "a CBOR text that announces 2^64 bytes": lambda: (60, b"\x7b" + b"\xff" * 8),
    "a CBOR bignum": lambda: (60, b"\xc2\x5a\x00\x07\x00\x00" + b"\xff" * 0x70000),
    "a CBOR decimal with a huge exponent": lambda: (60, b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01"),
    "a cycle of shared CBOR values": lambda: (112, b"\xd8\x1c\x81\xd8\x1d\x00"),
    "a CBOR time beyond the calendar": lambda: (112, b"\x81\xa2\x00\x67/3/0/13\x02\xc1\x1b\x7f" + b"\xff" * 7),
    "nested JSON arrays": lambda: (110, b"[" * 500_000),
    "nested JSON objects": lambda: (11543, b'{"e":' * 100_000),
    "a JSON number of a megabyte": lambda: (110, b'[{"n":"/3/0/9","v":' + b"9" * 900_000 + b"}]"),
    "JSON with a million empty records": lambda: (110, b"[" + b"{}," * 300_000 + b"{}]"),
    "a payload beyond the limit": lambda: (11542, bytes(2**20 + 1)),
    "TLV with a hundred thousand empty instances": lambda: (11542, b"\x00\x00" * 100_000),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_quickly(bomb: Callable[[], tuple[int, bytes]], catalogue: Catalogue) -> None:
    content_format, payload = bomb()
    base = ObjectPath.parse({60: "/3/0/13", 11542: "/3"}.get(content_format, "/"))
    started = time.process_time()
    with pytest.raises(CodecError):
        decode(payload, content_format, base, catalogue)
    assert time.process_time() - started < 2


def test_an_unknown_content_format_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(CodecError, match="12345"):
        decode(b"", 12345, ROOT, catalogue)
    with pytest.raises(CodecError, match="12345"):
        encode([], 12345, ROOT, catalogue)
