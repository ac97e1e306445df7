"""Records as they are on the wire."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12.numbers import HANDSHAKE, TLS12_CID, Alert
from lwm2m_ml.coap.dtls12.records import plain, plain_alert, records

CONTENTS = st.lists(st.binary(max_size=50), max_size=5)


@given(CONTENTS)
def test_records_are_read_as_they_were_written(contents: list[bytes]) -> None:
    datagram = b"".join(plain(HANDSHAKE, number, content) for number, content in enumerate(contents))
    assert [(r.sequence_number, r.content, r.is_plain) for r in records(datagram, 8)] == [
        (number, content, True) for number, content in enumerate(contents)
    ]


@given(st.binary(max_size=80), st.integers(0, 20))
def test_any_bytes_give_records_that_fit_into_them(data: bytes, cid_bytes: int) -> None:
    assert sum(13 + len(r.cid) + len(r.content) for r in records(data, cid_bytes)) <= len(data)


def test_a_connection_id_stands_before_the_length() -> None:
    datagram = b"\x19\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x05" + b"ABCD" + b"\x00\x02hi"
    (record,) = records(datagram, 4)
    assert (record.type, record.cid, record.content, record.sequence_number) == (TLS12_CID, b"ABCD", b"hi", 5)
    assert not record.is_plain


def test_a_record_that_is_cut_off_ends_the_datagram() -> None:
    whole = plain(HANDSHAKE, 1, b"abc")
    assert [r.content for r in records(whole + whole[:-1], 8)] == [b"abc"]


def test_odd_minor_versions_are_read_and_other_protocols_are_not() -> None:
    assert [r.version for r in records(plain(HANDSHAKE, 0, b"", b"\xfe\x00"), 8)] == [b"\xfe\x00"]
    assert list(records(plain(HANDSHAKE, 0, b"", b"\x03\x03"), 8)) == []


def test_an_alert_in_the_clear_is_two_bytes() -> None:
    (record,) = records(plain_alert(Alert.DECRYPT_ERROR), 8)
    assert record.content == b"\x02\x33"
