"""Formats: told, prescribed, learnt."""

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.formats import DeviceFormats, Formats

TEXT, OPAQUE, SENML_JSON, SENML_CBOR, ETCH_JSON, ETCH_CBOR, TLV, JSON = 0, 42, 110, 112, 320, 322, 11542, 11543


@pytest.mark.parametrize(
    ("version", "told", "expected"),
    [
        ("1.0", set(), (TLV, JSON, None)),
        ("1.0", {TLV}, (TLV, None)),
        ("1.1", set(), (SENML_CBOR, SENML_JSON, TLV, JSON, None)),
        ("1.1", {SENML_JSON, TLV, 60}, (SENML_JSON, TLV, None)),
        ("1.1", {TEXT}, (None,)),
        ("1.2", {11544}, (11544, None)),
    ],
)
def test_reading_asks_for_what_is_told_best_first(version: str, told: set[int], expected: tuple[int, ...]) -> None:
    assert DeviceFormats(version, frozenset(told)).to_read() == expected


@pytest.mark.parametrize(
    ("version", "told", "value", "first"),
    [
        ("1.0", set(), "x", TEXT),
        ("1.0", {TLV}, b"x", OPAQUE),
        ("1.1", set(), 1, TEXT),
        ("1.1", {SENML_CBOR}, 1, SENML_CBOR),
        ("1.1", {SENML_CBOR, TEXT}, 1, TEXT),
    ],
)
def test_one_value_is_written_plainly_where_the_device_knows_that(
    version: str, told: set[int], value: str | int | bytes, first: int
) -> None:
    records = (Record(ObjectPath(1, 0, 1), value),)
    assert DeviceFormats(version, frozenset(told)).to_write(records, single=True)[0] == first


def test_composites_prefer_what_is_told() -> None:
    assert DeviceFormats("1.1", frozenset()).composite() == (SENML_CBOR, SENML_JSON, ETCH_CBOR, ETCH_JSON)
    assert DeviceFormats("1.1", frozenset({ETCH_CBOR, TLV})).composite() == (ETCH_CBOR,)


def test_what_failed_is_not_tried_again_and_what_worked_comes_first() -> None:
    formats = DeviceFormats("1.1", frozenset())
    formats.learn(TLV, [SENML_CBOR, SENML_JSON])
    assert formats.to_read() == (TLV, JSON, None)
    assert formats.is_proven(TLV)
    assert not formats.is_proven(None)


def test_a_device_that_can_do_nothing_is_asked_anyway() -> None:
    formats = DeviceFormats("1.0", frozenset({TLV}))
    formats.learn(None, [TLV])
    assert formats.to_read() == (TLV, None)


def test_experience_ends_when_the_device_tells_something_else() -> None:
    formats = Formats()
    told = RegistrationParameters("dev", version="1.1", content_formats=frozenset({SENML_CBOR, SENML_JSON}))
    formats.of(told).learn(SENML_JSON, [SENML_CBOR])
    assert formats.of(told).to_read() == (SENML_JSON, None)
    other = RegistrationParameters("dev", version="1.1", content_formats=frozenset({SENML_CBOR}))
    assert formats.of(other).to_read() == (SENML_CBOR, None)
    formats.of(other).learn(None, [SENML_CBOR])
    formats.forget("dev")
    assert formats.of(other).to_read() == (SENML_CBOR, None)
