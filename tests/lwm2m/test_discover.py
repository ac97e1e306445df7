import pytest

from lwm2m_ml.lwm2m.attributes import NotificationAttributes
from lwm2m_ml.lwm2m.discover import Discovered, DiscoverError, format_discover, parse_discover
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath

path = ObjectPath.parse


def test_an_instance_with_attributes_and_dimensions() -> None:
    """Core TS V1_1_1 §6.3.2: Discover /3/0."""
    payload = b"</3/0>;pmin=10;pmax=60,</3/0/1>,</3/0/6>;dim=8,</3/0/7>;dim=8;gt=50;lt=42.2,</3/0/8>;dim=8,</3/0/11>"
    found = parse_discover(payload)
    assert [str(item.path) for item in found] == ["/3/0", "/3/0/1", "/3/0/6", "/3/0/7", "/3/0/8", "/3/0/11"]
    assert found[0].attributes == NotificationAttributes(minimum_period=10, maximum_period=60)
    assert found[3] == Discovered(path("/3/0/7"), NotificationAttributes(greater_than=50, less_than=42.2), 8)
    assert parse_discover(format_discover(found)) == found


def test_a_bootstrap_discover() -> None:
    """Core TS V1_1_1 §6.1.7.3: Bootstrap-Discover /."""
    payload = b'</>;lwm2m=1.1,</0/0>;ssid=101;uri="coaps://server_1.example.com",</0/1>,</1/0>;ssid=101,</3/0>,</5>'
    found = parse_discover(payload)
    assert found[0] == Discovered(ROOT, protocol_version="1.1")
    assert (found[1].server_id, found[1].server_uri) == (101, "coaps://server_1.example.com")
    assert parse_discover(format_discover(found)) == found


def test_a_root_path_is_taken_off_and_foreign_links_are_left_out() -> None:
    found = parse_discover(b"</lwm2m/3/0/1>,</lwm2m>,</sensors/a>", "/lwm2m")
    assert [item.path for item in found] == [path("/3/0/1"), ROOT]


def test_a_malformed_answer_is_refused() -> None:
    with pytest.raises(DiscoverError):
        parse_discover(b"</3/0")
