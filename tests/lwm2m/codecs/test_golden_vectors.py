"""Payloads printed in the specifications (OMA-TS-LightweightM2M-V1_0_2 §6.4, Core-V1_1_1 and V1_2 §7.4)."""

import json

import cbor2
import pytest

from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.definitions import Catalogue, ObjectDefinition, Operations, ResourceDefinition, ResourceType
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value

path = ObjectPath.parse


def records(values: dict[str, Value | None]) -> tuple[Record, ...]:
    return tuple(Record(path(where), value) for where, value in values.items())


# V1_0_2 §6.4.3.1, "Single Object Instance Request Example": Read /3/0.
DEVICE: dict[str, Value | None] = {
    "/3/0/0": "Open Mobile Alliance",
    "/3/0/1": "Lightweight M2M Client",
    "/3/0/2": "345000123",
    "/3/0/3": "1.0",
    "/3/0/6/0": 1,
    "/3/0/6/1": 5,
    "/3/0/7/0": 3800,
    "/3/0/7/1": 5000,
    "/3/0/8/0": 125,
    "/3/0/8/1": 900,
    "/3/0/9": 100,
    "/3/0/10": 15,
    "/3/0/11/0": 0,
    "/3/0/13": 1367491215,
    "/3/0/14": "+02:00",
    "/3/0/16": "U",
}
DEVICE_TLV = bytes.fromhex(
    "C800144F70656E204D6F62696C6520416C6C69616E6365C801164C69676874776569676874204D324D20436C69656E74"
    "C80209333435303030313233C303312E30860641000141010588070842000ED842011388870841007D42010384"
    "C10964C10A0F830B410000C40D5182428FC60E2B30323A3030C11055"
)
DEVICE_SENML: list[dict[str, str | int]] = [
    {"bn": "/3/0/", "n": "0", "vs": "Open Mobile Alliance"},
    {"n": "1", "vs": "Lightweight M2M Client"},
    {"n": "2", "vs": "345000123"},
    {"n": "3", "vs": "1.0"},
    {"n": "6/0", "v": 1},
    {"n": "6/1", "v": 5},
    {"n": "7/0", "v": 3800},
    {"n": "7/1", "v": 5000},
    {"n": "8/0", "v": 125},
    {"n": "8/1", "v": 900},
    {"n": "9", "v": 100},
    {"n": "10", "v": 15},
    {"n": "11/0", "v": 0},
    {"n": "13", "v": 1367491215},
    {"n": "14", "vs": "+02:00"},
    {"n": "16", "vs": "U"},
]


def test_tlv_of_the_device_instance(catalogue: Catalogue) -> None:
    base = path("/3/0")
    assert decode(DEVICE_TLV, 11542, base, catalogue) == records(DEVICE)
    assert encode(records(DEVICE), 11542, base, catalogue) == DEVICE_TLV


def test_tlv_of_the_device_object_has_an_object_instance_entry(catalogue: Catalogue) -> None:
    """V1_0_2 §6.4.3.1: Read /3 may wrap the same content into `08 00 79`."""
    payload = b"\x08\x00" + bytes([len(DEVICE_TLV)]) + DEVICE_TLV
    assert payload[:3].hex() == "080079"
    assert decode(payload, 11542, path("/3"), catalogue) == records(DEVICE)
    assert encode(records(DEVICE), 11542, path("/3"), catalogue) == payload


def test_tlv_of_multiple_object_instances(catalogue: Catalogue) -> None:
    """V1_0_2 §6.4.3.2 B): Read /2."""
    payload = bytes.fromhex("08000EC10001C101008302417F07C1037F080212C10003C101008702417F0761013601C1037F")
    expected = records(
        {
            "/2/0/0": 1,
            "/2/0/1": 0,
            "/2/0/2/127": 7,
            "/2/0/3": 127,
            "/2/2/0": 3,
            "/2/2/1": 0,
            "/2/2/2/127": 7,
            "/2/2/2/310": 1,
            "/2/2/3": 127,
        }
    )
    assert decode(payload, 11542, path("/2"), catalogue) == expected
    assert encode(expected, 11542, path("/2"), catalogue) == payload


def test_tlv_of_the_server_object(catalogue: Catalogue) -> None:
    """V1_0_2 §6.4.3.2 C): Read /1."""
    payload = bytes.fromhex("08000FC10001C40100015180C10601C10755")
    expected = records({"/1/0/0": 1, "/1/0/1": 86400, "/1/0/6": True, "/1/0/7": "U"})
    assert decode(payload, 11542, path("/1"), catalogue) == expected
    assert encode(expected, 11542, path("/1"), catalogue) == payload


@pytest.fixture(scope="module")
def linked(catalogue: Catalogue) -> Catalogue:
    """The objects 65 and 66 of the specification's figure 28."""
    kinds = {
        65: (ResourceType.OBJECT_LINK, ResourceType.STRING, ResourceType.INTEGER),
        66: (ResourceType.STRING, ResourceType.STRING, ResourceType.OBJECT_LINK),
    }
    return Catalogue(
        ObjectDefinition(
            number,
            "Links",
            resources={index: ResourceDefinition(index, "", Operations.READ, kind) for index, kind in enumerate(types)},
        )
        for number, types in kinds.items()
    )


LINKS: dict[str, Value | None] = {
    "/65/0/0/0": ObjectLink(66, 0),
    "/65/0/0/1": ObjectLink(66, 1),
    "/65/0/1": "8613800755500",
}
SERVICES: dict[str, Value | None] = {
    "/66/0/0": "myService 1",
    "/66/0/1": "Internet.15.234",
    "/66/0/2": ObjectLink(67, 0),
    "/66/1/0": "myService 2",
    "/66/1/1": "Internet.15.235",
    "/66/1/2": ObjectLink(),
}


def test_tlv_of_object_links(linked: Catalogue) -> None:
    """V1_0_2 §6.4.3.3: Read /65/0 and /66."""
    instance = bytes.fromhex("88000C440000420000440100420001C8010D38363133383030373535353030C40212345678")
    expected = records({**LINKS, "/65/0/2": 0x12345678})
    assert decode(instance, 11542, path("/65/0"), linked) == expected
    assert encode(expected, 11542, path("/65/0"), linked) == instance
    objects = bytes.fromhex(
        "080026C8000B6D79536572766963652031C8010F496E7465726E65742E31352E323334C40200430000"
        "080126C8000B6D79536572766963652032C8010F496E7465726E65742E31352E323335C402FFFFFFFF"
    )
    assert decode(objects, 11542, path("/66"), linked) == records(SERVICES)
    assert encode(records(SERVICES), 11542, path("/66"), linked) == objects


def test_lwm2m_json_of_the_device_instance(catalogue: Catalogue) -> None:
    """V1_0_2 §6.4.4: Read /3/0."""
    entries = [
        {("sv" if label == "vs" else label): item for label, item in entry.items() if label != "bn"}
        for entry in DEVICE_SENML
    ]
    payload = json.dumps({"bn": "/3/0/", "e": entries}).encode()
    assert decode(payload, 11543, path("/3/0"), catalogue) == records(DEVICE)
    assert json.loads(encode(records(DEVICE), 11543, path("/3/0"), catalogue)) == json.loads(payload)


def test_lwm2m_json_of_historical_values(catalogue: Catalogue) -> None:
    """V1_0_2 §6.4.4: a notification about resource 2 of instance 1 of an object 72."""
    payload = (
        b'{"bn":"/72/","bt":25462634,'
        b'"e":[{"n":"1/2","v":22.4,"t":-5},{"n":"1/2","v":22.9,"t":-30},{"n":"1/2","v":24.1,"t":-50}]}'
    )
    assert decode(payload, 11543, path("/72/1/2"), catalogue) == (
        Record(path("/72/1/2"), 22.4, 25462629),
        Record(path("/72/1/2"), 22.9, 25462604),
        Record(path("/72/1/2"), 24.1, 25462584),
    )


def test_lwm2m_json_of_linked_instances(linked: Catalogue) -> None:
    """V1_0_2 §6.4.4: object links carry the label ov."""
    payload = (
        b'{"bn":"/","e":[{"n":"65/0/0/0","ov":"66:0"},{"n":"65/0/0/1","ov":"66:1"},{"n":"65/0/1","sv":"8613800755500"},'
        b'{"n":"66/0/0","sv":"myService 1"},{"n":"66/0/1","sv":"Internet.15.234"},{"n":"66/0/2","ov":"67:0"},'
        b'{"n":"66/1/0","sv":"myService 2"},{"n":"66/1/1","sv":"Internet.15.235"},{"n":"66/1/2","ov":"65535:65535"}]}'
    )
    expected = records({**LINKS, **SERVICES})
    assert decode(payload, 11543, ROOT, linked) == expected
    assert encode(expected, 11543, ROOT, linked) == payload


def test_senml_json_of_the_device_instance(catalogue: Catalogue) -> None:
    """V1_1_1 §7.4.5: Read /3/0."""
    payload = json.dumps(DEVICE_SENML, separators=(",", ":")).encode()
    assert decode(payload, 110, path("/3/0"), catalogue) == records(DEVICE)
    assert encode(records(DEVICE), 110, path("/3/0"), catalogue) == payload


def test_senml_cbor_of_the_device_instance(catalogue: Catalogue) -> None:
    """V1_1_1 §7.4.6: the same with the labels of RFC 8428 §6."""
    labels = {"bn": -2, "n": 0, "vs": 3, "v": 2}
    payload = cbor2.dumps([{labels[label]: item for label, item in entry.items()} for entry in DEVICE_SENML])
    assert payload.startswith(bytes.fromhex("90a321652f332f302f00613003744f70656e"))
    assert decode(payload, 112, path("/3/0"), catalogue) == records(DEVICE)
    assert encode(records(DEVICE), 112, path("/3/0"), catalogue) == payload


def test_senml_json_of_historical_values(catalogue: Catalogue) -> None:
    """V1_1_1 §7.4.5: base time and relative times."""
    payload = b'[{"bn":"/72/1/2","bt":25462634,"v":22.4,"t":-5},{"v":22.9,"t":-30},{"v":24.1,"t":-50}]'
    assert [record.timestamp for record in decode(payload, 110, path("/72"), catalogue)] == [
        25462629,
        25462604,
        25462584,
    ]


def test_lwm2m_cbor_of_the_device_instance(catalogue: Catalogue) -> None:
    """V1_2 §7.4.7: nested maps; several levels may share one array as their key."""
    nested = {
        0: "Open Mobile Alliance",
        1: "Lightweight M2M Client",
        2: "345000123",
        3: "1.0",
        6: {0: 1, 1: 5},
        7: {0: 3800, 1: 5000},
        8: {0: 125, 1: 900},
        9: 100,
        10: 15,
        11: {0: 0},
        13: 1367491215,
        14: "+02:00",
        16: "U",
    }
    payload = cbor2.dumps({3: {0: nested}})
    assert decode(payload, 11544, path("/3/0"), catalogue) == records(DEVICE)
    assert encode(records(DEVICE), 11544, path("/3/0"), catalogue) == payload
    assert decode(cbor2.dumps({(3, 0): nested}), 11544, path("/3/0"), catalogue) == records(DEVICE)


@pytest.mark.parametrize(
    ("where", "value", "text"),
    [
        ("/3/0/0", "Open Mobile Alliance", b"Open Mobile Alliance"),
        ("/3/0/9", 100, b"100"),
        ("/6/0/0", -43.5723, b"-43.5723"),
        ("/1/0/6", True, b"1"),
        ("/5/0/0", b"\x01\x02\x03\x04\x05", b"AQIDBAU="),
        ("/3/0/13", 1367491215, b"1367491215"),
        ("/1/0/10", ObjectLink(11, 0), b"11:0"),
    ],
)
def test_text_of_each_type(where: str, value: Value, text: bytes, catalogue: Catalogue) -> None:
    """V1_2 Appendix C."""
    assert decode(text, 0, path(where), catalogue) == (Record(path(where), value),)
    assert encode([Record(path(where), value)], 0, path(where), catalogue) == text


@pytest.mark.parametrize(
    ("where", "value", "item"),
    [
        ("/3/0/0", "OMA", "634f4d41"),
        ("/3/0/9", 100, "1864"),
        ("/1/0/6", True, "f5"),
        ("/5/0/0", b"\x01\x02", "420102"),
        ("/3/0/13", 1367491215, "c11a5182428f"),
        ("/1/0/10", ObjectLink(11, 0), "6431313a30"),
    ],
)
def test_cbor_of_each_type(where: str, value: Value, item: str, catalogue: Catalogue) -> None:
    """V1_1_1 Appendix C.2: a time is tagged (RFC 7049 §2.4.1). V1_2 also allows it untagged."""
    assert decode(bytes.fromhex(item), 60, path(where), catalogue) == (Record(path(where), value),)
    assert encode([Record(path(where), value)], 60, path(where), catalogue) == bytes.fromhex(item)


def test_an_untagged_time_is_read_too(catalogue: Catalogue) -> None:
    assert decode(bytes.fromhex("1a5182428f"), 60, path("/3/0/13"), catalogue)[0].value == 1367491215
