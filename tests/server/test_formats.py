"""Formats: told, prescribed, learnt."""

from typing import Any

import pytest

from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.formats import DeviceFormats, Formats
from lwm2m_ml.server.registration import Registration

TEXT, OPAQUE, SENML_JSON, SENML_CBOR, ETCH_JSON, ETCH_CBOR, TLV = 0, 42, 110, 112, 320, 322, 11542
INSTANCE = ObjectPath(3, 0)
NOTHING = Catalogue()


def test_what_the_device_told_comes_first_and_the_choice_of_the_device_last() -> None:
    formats = DeviceFormats("1.1", frozenset({SENML_JSON}))
    candidates = formats.to_read(INSTANCE, NOTHING)
    assert (candidates[0], candidates[-1]) == (SENML_JSON, None)
    assert formats.to_write(INSTANCE, (Record(INSTANCE.child(0), "x"),), NOTHING) == candidates[:-1]


def test_only_tlv_can_leave_the_number_of_a_new_instance_to_the_device() -> None:
    formats = DeviceFormats("1.1", frozenset({SENML_CBOR}))
    assert formats.to_write(ObjectPath(9), (), NOTHING)[:2] == (TLV, SENML_CBOR)


@pytest.mark.parametrize(
    ("version", "told", "value", "first"),
    [
        ("1.0", set(), "x", TEXT),
        ("1.0", {TLV}, b"x", OPAQUE),
        ("1.1", set(), 1, TEXT),
        ("1.1", {SENML_CBOR}, 1, SENML_CBOR),
        ("1.1", {SENML_CBOR, TEXT}, 1, TEXT),
        ("1.1", {SENML_CBOR}, b"x", OPAQUE),
    ],
)
def test_one_value_is_written_plainly_where_the_device_can_read_that(
    version: str, told: set[int], value: str | int | bytes, first: int
) -> None:
    path = ObjectPath(1, 0, 1)
    formats = DeviceFormats(version, frozenset(told))
    assert formats.to_write(path, (Record(path, value),), NOTHING)[0] == first
    formats.learn(TLV, [first])
    assert formats.to_write(path, (Record(path, value),), NOTHING)[0] == TLV


def test_composites_prefer_what_is_told() -> None:
    assert DeviceFormats("1.1", frozenset()).composite() == (SENML_CBOR, SENML_JSON, ETCH_CBOR, ETCH_JSON)
    assert DeviceFormats("1.1", frozenset({ETCH_CBOR, TLV})).composite() == (ETCH_CBOR,)


def test_what_failed_is_not_tried_again_and_what_worked_comes_first() -> None:
    formats = DeviceFormats("1.1", frozenset())
    formats.learn(SENML_JSON, [SENML_CBOR])
    assert formats.to_read(INSTANCE, NOTHING) == (SENML_JSON, TLV, None)
    assert formats.composite()[0] == SENML_JSON
    assert SENML_CBOR not in formats.composite()
    assert formats.is_proven(SENML_JSON)
    assert not formats.is_proven(None)


def test_one_plain_value_proves_nothing_about_trees() -> None:
    formats = DeviceFormats("1.1", frozenset())
    formats.learn(TEXT, [])
    assert not formats.is_proven(TEXT)


def test_a_device_that_can_do_nothing_is_asked_anyway() -> None:
    formats = DeviceFormats("1.0", frozenset({TLV}))
    formats.learn(None, [TLV])
    assert formats.to_read(INSTANCE, NOTHING) == (TLV, None)


def registered(formats: frozenset[int]) -> Registration:
    parameters = RegistrationParameters(None, version="1.1", content_formats=formats)
    nowhere: Any = None
    return Registration("dev", "x", parameters, None, nowhere, 0.0, 0.0)


def test_experience_ends_when_the_device_tells_something_else() -> None:
    formats = Formats()
    told = registered(frozenset({SENML_CBOR, SENML_JSON}))
    formats.of(told).learn(SENML_JSON, [SENML_CBOR])
    assert formats.of(told).to_read(INSTANCE, NOTHING)[0] == SENML_JSON
    other = registered(frozenset({SENML_CBOR}))
    assert formats.of(other).to_read(INSTANCE, NOTHING)[0] == SENML_CBOR
    formats.of(other).learn(SENML_JSON, [SENML_CBOR])
    formats.forget("dev")
    assert formats.of(other).to_read(INSTANCE, NOTHING)[0] == SENML_CBOR
