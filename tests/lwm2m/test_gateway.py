import pytest

from lwm2m_ml.lwm2m.codecs import decode
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.gateway import GatewayError, end_devices, split_uri_path, uri_path
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath, PathError
from lwm2m_ml.lwm2m.record import Record

path = ObjectPath.parse


def described(*prefixes: str) -> list[Record]:
    records = []
    for number, prefix in enumerate(prefixes):
        records += [
            Record(path(f"/25/{number}/0"), f"urn:dev:{number}"),
            Record(path(f"/25/{number}/1"), prefix),
            Record(path(f"/25/{number}/3"), "</3/0>,</42769>;ver=1.1,</42769/0>"),
        ]
    return records


def test_devices_behind_a_gateway() -> None:
    first, second = end_devices(described("d1", "/lamp-2/"))
    assert (first.device_id, first.prefix) == ("urn:dev:0", "d1")
    assert (second.instance_id, second.prefix) == (1, "lamp-2")
    assert second.object_list.versions == {3: "1.1", 42769: "1.1"}


@pytest.mark.parametrize("prefixes", [("",), ("3",), ("a/b",), ("d1", "d1"), ("x" * 65,)])
def test_unusable_prefixes_are_refused(prefixes: tuple[str, ...]) -> None:
    with pytest.raises(GatewayError):
        end_devices(described(*prefixes))


@pytest.mark.parametrize("prefix", ["", "d1"])
def test_paths_carry_the_prefix_of_their_device(prefix: str) -> None:
    for where in ("/", "/3", "/3/0/6/1"):
        assert split_uri_path(uri_path(path(where), prefix)) == (prefix, path(where))


@pytest.mark.parametrize("segments", [("d 1", "3"), ("d1", "x"), ("d1", "d2", "3")])
def test_other_paths_are_refused(segments: tuple[str, ...]) -> None:
    with pytest.raises(PathError):
        split_uri_path(segments)


@pytest.mark.parametrize(
    "payload", [b'[{"bn":"/d1/3/0/","n":"9","v":5}]', b'[{"n":"/3/0/9","v":5}]', b'[{"bn":"/d1","n":"/3/0/9","v":5}]']
)
def test_payloads_may_name_paths_with_the_prefix(payload: bytes, catalogue: Catalogue) -> None:
    assert decode(payload, 110, ROOT, catalogue, prefix="d1") == (Record(path("/3/0/9"), 5),)
