"""What devices really send (measured with independent clients): read as meant, where the meaning is clear."""

import base64

import cbor2
import pytest

from lwm2m_ml.lwm2m.codecs import CodecError, decode, encode
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink

path = ObjectPath.parse
MANUFACTURER = (Record(path("/3/0/0"), "x"),)


@pytest.mark.parametrize(("modern", "legacy"), [(0, 1541), (11542, 1542), (11543, 1543)])
def test_legacy_content_format_numbers_mean_the_same(modern: int, legacy: int, catalogue: Catalogue) -> None:
    payload = encode(MANUFACTURER, modern, path("/3/0/0"), catalogue)
    assert encode(MANUFACTURER, legacy, path("/3/0/0"), catalogue) == payload
    assert decode(payload, legacy, path("/3/0/0"), catalogue) == MANUFACTURER


def test_legacy_opaque(catalogue: Catalogue) -> None:
    assert decode(b"\x01", 1544, path("/5/0/0"), catalogue) == (Record(path("/5/0/0"), b"\x01"),)


@pytest.mark.parametrize(
    "pack",
    [
        '[{"bn":"/3/0","n":"/0","vs":"x"}]',
        '[{"bn":"/3/0/","n":"0","vs":"x"}]',
        '[{"bn":"/3/0/0","vs":"x"}]',
        '[{"n":"/3/0/0","vs":"x"}]',
        '[{"bn":"/3/0/"},{"n":"0","vs":"x"}]',
        '[{"bn":"/3/","n":"0/0","vs":"x"}]',
        '[{"vs":"x","n":"0","bn":"/3/0/"}]',
        '[{"bn":"/3/0/0","n":"","vs":"x"}]',
        '[{"n":"0","vs":"x"}]',
        '[{"bver":10,"bn":"/3/0/","n":"0","vs":"x","u":"m","hint":1}]',
    ],
)
def test_senml_names_are_split_anywhere(pack: str, catalogue: Catalogue) -> None:
    assert decode(pack.encode(), 110, path("/3/0"), catalogue) == MANUFACTURER


def test_senml_base_names_may_change_with_each_record(catalogue: Catalogue) -> None:
    pack = b'[{"bn":"/3/0/0","vs":"x"},{"bn":"/3/0/9","v":50},{"bn":"/1/0/","n":"1","v":60}]'
    assert [str(record.path) for record in decode(pack, 110, ROOT, catalogue)] == ["/3/0/0", "/3/0/9", "/1/0/1"]


def test_senml_cbor_map_order_is_arbitrary(catalogue: Catalogue) -> None:
    for labels in ([-2, 0, 3], [3, 0, -2], [0, 3, -2]):
        items = {-2: "/3/0/", 0: "0", 3: "x"}
        payload = cbor2.dumps([{label: items[label] for label in labels}])
        assert decode(payload, 112, path("/3/0"), catalogue) == MANUFACTURER


def test_senml_cbor_object_links_have_a_text_label(catalogue: Catalogue) -> None:
    payload = cbor2.dumps([{-2: "/1/0/10", "vlo": "11:0"}])
    assert decode(payload, 112, path("/1/0/10"), catalogue) == (Record(path("/1/0/10"), ObjectLink(11, 0)),)


def test_senml_cbor_of_indefinite_length(catalogue: Catalogue) -> None:
    payload = bytes.fromhex("9fbf21652f332f302f0061300361 78ffff".replace(" ", ""))
    assert decode(payload, 112, path("/3/0"), catalogue) == MANUFACTURER


def test_a_base_time_is_an_absolute_float_for_all_records_after_it(catalogue: Catalogue) -> None:
    payload = cbor2.dumps([{-2: "/3/0/9", -3: 1.7e9, 2: 1}, {2: 2}, {2: 3, 6: -0.5}, {-3: 1.8e9, 2: 4}])
    assert [record.timestamp for record in decode(payload, 112, path("/3/0"), catalogue)] == [
        1.7e9,
        1.7e9,
        1.7e9 - 0.5,
        1.8e9,
    ]


def test_small_times_count_from_reception(catalogue: Catalogue) -> None:
    (record,) = decode(b'[{"n":"/3/0/9","v":1,"t":-10}]', 110, ROOT, catalogue)
    assert record.absolute_time(1_700_000_000.0) == 1_699_999_990.0


def test_senml_data_comes_in_either_alphabet_with_or_without_padding(catalogue: Catalogue) -> None:
    value = b"\xfb\xff\xfe\x01"
    for text in (
        base64.b64encode(value),
        base64.urlsafe_b64encode(value),
        base64.urlsafe_b64encode(value).rstrip(b"="),
    ):
        pack = b'[{"n":"/5/0/0","vd":"' + text + b'"}]'
        assert decode(pack, 110, ROOT, catalogue) == (Record(path("/5/0/0"), value),)


def test_senml_that_needs_an_unknown_extension_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(CodecError, match="x_"):
        decode(b'[{"n":"/3/0/0","vs":"x","x_":1}]', 110, ROOT, catalogue)


def test_senml_of_a_later_version_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(CodecError, match="version"):
        decode(b'[{"bver":11,"n":"/3/0/0","vs":"x"}]', 110, ROOT, catalogue)


@pytest.mark.parametrize(
    "keys",
    [
        {(3, 0): {0: "x", 6: {0: 1}}},
        {3: {0: {0: "x", 6: {0: 1}}}},
        {3: {(0, 0): "x", (0, 6, 0): 1}},
        {(3, 0, 0): "x", (3, 0, 6): {0: 1}},
        {3: {0: {0: "x", (6, 0): 1}}},
    ],
)
def test_lwm2m_cbor_keys_may_be_arrays(keys: object, catalogue: Catalogue) -> None:
    expected = (*MANUFACTURER, Record(path("/3/0/6/0"), 1))
    assert decode(cbor2.dumps(keys), 11544, path("/3/0"), catalogue) == expected


@pytest.mark.parametrize(
    "payload",
    ["c800014d", "08000 4c800014d".replace(" ", "")],
    ids=["bare resources", "wrapped in an object instance"],
)
def test_tlv_of_an_instance_with_or_without_its_own_entry(payload: str, catalogue: Catalogue) -> None:
    assert decode(bytes.fromhex(payload), 11542, path("/3/0"), catalogue) == (Record(path("/3/0/0"), "M"),)


def test_tlv_of_a_single_instance_object_may_leave_the_instance_out(catalogue: Catalogue) -> None:
    assert decode(bytes.fromhex("c800014d"), 11542, path("/3"), catalogue) == (Record(path("/3/0/0"), "M"),)
    with pytest.raises(CodecError):
        decode(bytes.fromhex("c10001"), 11542, path("/1"), catalogue)


@pytest.mark.parametrize("payload", ["410001410105", "8606410001410105"])
def test_tlv_of_a_multiple_resource_with_or_without_its_own_entry(payload: str, catalogue: Catalogue) -> None:
    expected = (Record(path("/3/0/6/0"), 1), Record(path("/3/0/6/1"), 5))
    assert decode(bytes.fromhex(payload), 11542, path("/3/0/6"), catalogue) == expected


@pytest.mark.parametrize("payload", ["c10905", "c2090005", "c40900000005", "c8090800000000000000 05".replace(" ", "")])
def test_tlv_integers_of_every_width(payload: str, catalogue: Catalogue) -> None:
    assert decode(bytes.fromhex(payload), 11542, path("/3/0"), catalogue) == (Record(path("/3/0/9"), 5),)


@pytest.mark.parametrize("payload", ["c4003fc00000", "c800083ff8000000000000"])
def test_tlv_floats_of_both_widths(payload: str, catalogue: Catalogue) -> None:
    assert decode(bytes.fromhex(payload), 11542, path("/6/0"), catalogue) == (Record(path("/6/0/0"), 1.5),)


@pytest.mark.parametrize("payload", ["c40d5182428f", "c80d08000000005182428f"])
def test_tlv_times_of_both_widths(payload: str, catalogue: Catalogue) -> None:
    assert decode(bytes.fromhex(payload), 11542, path("/3/0"), catalogue) == (Record(path("/3/0/13"), 1367491215),)


def test_tlv_of_unknown_resources_stays_bytes(catalogue: Catalogue) -> None:
    assert decode(bytes.fromhex("c1c805"), 11542, path("/9999/0"), catalogue) == (Record(path("/9999/0/200"), b"\x05"),)


def test_reusable_resources_have_a_type_even_in_unknown_objects(catalogue: Catalogue) -> None:
    payload = bytes.fromhex("e4164441c80000")
    assert decode(payload, 11542, path("/9999/0"), catalogue) == (Record(path("/9999/0/5700"), 25.0),)


@pytest.mark.parametrize(
    "tagged", [b"\xc1\x1a\x51\x82\x42\x8f", b"\x1a\x51\x82\x42\x8f", b"\xc0\x74" + b"2013-05-02T10:40:15Z"]
)
def test_cbor_times_with_and_without_tag(tagged: bytes, catalogue: Catalogue) -> None:
    assert decode(tagged, 60, path("/3/0/13"), catalogue) == (Record(path("/3/0/13"), 1367491215),)


def test_whole_floats_stand_for_integers_and_integers_for_floats(catalogue: Catalogue) -> None:
    pack = b'[{"bn":"/","n":"3/0/9","v":50.0},{"n":"6/0/0","v":5}]'
    nine, zero = decode(pack, 110, ROOT, catalogue)
    assert (nine.value, type(nine.value)) == (50, int)
    assert (zero.value, type(zero.value)) == (5.0, float)


def test_a_value_of_the_wrong_type_is_refused_with_its_path(catalogue: Catalogue) -> None:
    with pytest.raises(CodecError, match="/3/0/9"):
        decode(b'[{"n":"/3/0/9","vs":"full"}]', 110, ROOT, catalogue)
    with pytest.raises(CodecError, match="/3/0/9"):
        decode(b"full", 0, path("/3/0/9"), catalogue)


@pytest.mark.parametrize(
    ("content_format", "payload"), [(110, b'[{"n":"/4/0/0","v":1}]'), (11543, b'{"bn":"/4/0/0","e":[{"v":1}]}')]
)
def test_a_payload_about_something_else_is_refused(content_format: int, payload: bytes, catalogue: Catalogue) -> None:
    with pytest.raises(CodecError, match="not part of /3"):
        decode(payload, content_format, path("/3"), catalogue)


def test_lwm2m_json_without_a_base_name_builds_on_the_request(catalogue: Catalogue) -> None:
    assert decode(b'{"e":[{"n":"0","sv":"x"}]}', 11543, path("/3/0"), catalogue) == MANUFACTURER
    assert decode(b'{"e":[{"sv":"x"}]}', 11543, path("/3/0/0"), catalogue) == MANUFACTURER


@pytest.mark.parametrize("content_format", [0, 60, 42, 40])
def test_single_value_formats_need_a_resource(content_format: int, catalogue: Catalogue) -> None:
    with pytest.raises(CodecError, match="/3/0"):
        decode(b"1", content_format, path("/3/0"), catalogue)


def test_floats_are_written_in_four_bytes_where_that_is_exact(catalogue: Catalogue) -> None:
    base = path("/6/0/0")
    assert encode([Record(base, 1.5)], 60, base, catalogue).hex() == "fa3fc00000"
    assert encode([Record(base, 1.1)], 60, base, catalogue).hex() == "fb3ff199999999999a"
