"""Datagrams as OpenSSL makes them."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls.records import Record, carries_finished, records, wrong_key_alert


def record(kind: int, epoch: int, content: bytes) -> bytes:
    return bytes((kind,)) + b"\xfe\xfd" + epoch.to_bytes(2) + bytes(6) + len(content).to_bytes(2) + content


def test_the_records_of_a_flight() -> None:
    flight = record(22, 0, bytes(20)) + record(20, 0, b"\x01") + record(22, 1, bytes(40))
    assert list(records(flight)) == [Record(22, 0), Record(20, 0), Record(22, 1)]
    assert carries_finished(flight)
    assert not carries_finished(flight[:47])
    assert not carries_finished(record(23, 1, bytes(40)))


@given(st.binary(max_size=100))
def test_any_bytes_have_an_end(data: bytes) -> None:
    assert len(list(records(data))) <= len(data) // 13


def test_the_alert_is_one_record_in_the_clear() -> None:
    assert list(records(wrong_key_alert())) == [Record(21, 0)]
    assert len(wrong_key_alert()) == 15
