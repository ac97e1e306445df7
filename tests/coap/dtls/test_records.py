"""Datagrams as OpenSSL makes them."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls.records import Record, carries_finished, datagrams, records, wrong_key_alert


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


def test_a_flight_leaves_in_as_few_datagrams_as_hold_its_records() -> None:
    certificate, done = record(22, 0, bytes(87)), record(22, 0, bytes(12))  # 100 and 25 bytes
    assert list(datagrams(certificate + done, 125)) == [certificate + done]
    assert list(datagrams(certificate + done, 124)) == [certificate, done]
    assert list(datagrams(done * 5 + certificate, 75)) == [done * 3, done * 2, certificate]


@given(st.lists(st.integers(0, 300), min_size=1), st.integers(1, 600))
def test_datagrams_hold_whole_records_and_are_no_longer_than_asked_for(sizes: list[int], most: int) -> None:
    flight = b"".join(record(22, 0, bytes(size)) for size in sizes)
    cut = list(datagrams(flight, most))
    assert b"".join(cut) == flight
    assert sum(len(list(records(datagram))) for datagram in cut) == len(sizes)
    assert all(len(datagram) <= most or len(list(records(datagram))) == 1 for datagram in cut)


@given(st.binary(min_size=1, max_size=100), st.integers(1, 100))
def test_no_byte_is_lost_whatever_the_bytes(data: bytes, most: int) -> None:
    assert b"".join(datagrams(data, most)) == data


def test_the_alert_is_one_record_in_the_clear() -> None:
    assert list(records(wrong_key_alert())) == [Record(21, 0)]
    assert len(wrong_key_alert()) == 15
