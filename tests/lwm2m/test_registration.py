"""Register, Update and Bootstrap-Request of all versions, as specified and as clients really send them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.link_format import Link
from lwm2m_ml.lwm2m.registration import (
    DEFAULT_LIFETIME,
    RegistrationError,
    RegistrationParameters,
    UpdateParameters,
    format_registration,
    format_update,
    parse_bootstrap_request,
    parse_register,
    parse_registration,
    parse_update,
)
from lwm2m_ml.lwm2m.response_codes import ResponseCode

OBJECTS = b"</1/0>,</3/0>"
QUERY = ("ep=node", "lt=60", "lwm2m=1.1", "b=U")


def register(*query: str, payload: bytes = OBJECTS, content_format: int | None = 40) -> RegistrationParameters:
    return parse_registration(query or QUERY, payload, content_format)


def refusal(*query: str, payload: bytes = OBJECTS, content_format: int | None = 40) -> ResponseCode:
    with pytest.raises(RegistrationError) as refused:
        parse_registration(query or QUERY, payload, content_format)
    return refused.value.code


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_every_version_is_spoken(version: str) -> None:
    assert register("ep=node", f"lwm2m={version}").version == version


@pytest.mark.parametrize("version", ["0.9", "1.3", "2.0", "1.10"])
def test_an_unknown_version_gets_4_12(version: str) -> None:
    assert refusal("ep=node", f"lwm2m={version}") is ResponseCode.PRECONDITION_FAILED


def test_a_version_of_three_numbers_is_read() -> None:
    assert register("ep=node", "lwm2m=1.0.0").version == "1.0"


def test_the_order_of_parameters_is_arbitrary() -> None:
    assert register(*reversed(QUERY)) == register(*QUERY)


def test_unknown_parameters_are_kept() -> None:
    found = register(*QUERY, "mac=00:11", "hb=30", "flag")
    assert found.attributes == {"mac": "00:11", "hb": "30", "flag": None}


def test_an_empty_parameter_is_skipped() -> None:
    assert register("", *QUERY) == register(*QUERY)


def test_a_missing_binding_is_udp() -> None:
    assert register("ep=node", "lwm2m=1.1").binding == "U"


def test_a_missing_lifetime_is_a_day() -> None:
    assert register("ep=node", "lwm2m=1.1").lifetime == DEFAULT_LIFETIME


def test_a_lifetime_of_zero_never_ends() -> None:
    assert register("ep=node", "lwm2m=1.1", "lt=0").lifetime == 0


def test_a_missing_endpoint_is_left_to_the_security_identity() -> None:
    assert register("lwm2m=1.1").endpoint is None


def test_a_missing_content_format_means_links() -> None:
    assert register(content_format=None) == register()


def test_a_list_without_root_and_resource_type_starts_at_the_root() -> None:
    found = register(payload=OBJECTS)
    assert found.root_path == "/"
    assert set(found.objects) == {(1, 0), (3, 0)}


@pytest.mark.parametrize("told", ['ct="60 110"', "ct=110", 'ct="110"', 'ct="60 110 112 11542 junk 99999"'])
def test_content_formats_come_as_a_quoted_list_or_a_bare_number(told: str) -> None:
    found = register(payload=f'</>;rt="oma.lwm2m";{told},'.encode() + OBJECTS)
    assert 110 in found.content_formats


def test_content_formats_come_without_a_resource_type() -> None:
    assert register(payload=b"</>;ct=112," + OBJECTS).content_formats == {112}


def test_clients_of_1_0_know_tlv_without_saying_so() -> None:
    assert register("ep=node", "lwm2m=1.0").content_formats == {11542}


@pytest.mark.parametrize("version", ["ver=1.1", 'ver="1.1"'])
def test_object_versions_come_quoted_or_not(version: str) -> None:
    found = register(payload=f"</3>;{version},</3/0>".encode())
    assert found.objects == {(3, None): "1.1", (3, 0): "1.1"}


def test_a_version_on_an_instance_counts_for_the_object() -> None:
    assert register(payload=b"</42769/0>;ver=2.0,</42769/1>").object_versions == {42769: "2.0"}


def test_two_versions_of_an_object_are_refused() -> None:
    assert refusal(payload=b"</3/0>;ver=1.0,</3/1>;ver=1.1") is ResponseCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.0", {1: "1.0", 3: "1.0", 4: "1.0", 42769: "1.0"}),
        ("1.1", {1: "1.1", 3: "1.1", 4: "1.2", 42769: "1.0"}),
        ("1.2", {1: "1.2", 3: "1.2", 4: "1.3", 42769: "1.0"}),
    ],
)
def test_core_objects_have_the_versions_of_the_protocol(version: str, expected: dict[int, str]) -> None:
    found = register("ep=node", f"lwm2m={version}", payload=b"</1/0>,</3/0>,</4/0>,</42769/0>")
    assert found.object_versions == expected


@pytest.mark.parametrize(
    ("query", "binding", "queue_mode"),
    [
        (("lwm2m=1.0", "b=UQ"), "U", True),
        (("lwm2m=1.0", "b=UQS"), "US", True),
        (("lwm2m=1.0", "b=US"), "US", False),
        (("lwm2m=1.1", "b=U", "Q"), "U", True),
        (("lwm2m=1.1", "b=UQ"), "U", True),
        (("lwm2m=1.1", "b=T"), "T", False),
        (("lwm2m=1.2", "b=UT", "Q"), "UT", True),
        (("lwm2m=1.2", "b=UMN"), "UMN", False),
    ],
)
def test_bindings_and_queue_mode_of_all_versions(query: tuple[str, ...], binding: str, queue_mode: bool) -> None:
    found = register("ep=node", *query)
    assert (found.binding, found.queue_mode) == (binding, queue_mode)


def test_an_alternative_root_path() -> None:
    found = register(payload=b'</lwm2m>;rt="oma.lwm2m";ct=112,</lwm2m/1/0>,</lwm2m/3/0>,</other>')
    assert found.root_path == "/lwm2m"
    assert set(found.objects) == {(1, 0), (3, 0)}


def test_links_of_other_applications_are_skipped() -> None:
    assert set(register(payload=OBJECTS + b",</sensors>;if=x,</.well-known/core>").objects) == {(1, 0), (3, 0)}


def test_links_without_a_leading_slash_are_read() -> None:
    assert set(register(payload=b"<1/0>,<3/0>").objects) == {(1, 0), (3, 0)}


def test_a_profile_replaces_the_object_list() -> None:
    found = register("ep=node", "lwm2m=1.2", "pid=abc", payload=b"")
    assert found.profile_id == "abc"


@pytest.mark.parametrize(
    "query",
    [
        ("ep=node",),
        ("ep=node", "lwm2m"),
        ("ep=node", "lwm2m=one"),
        ("ep=", "lwm2m=1.1"),
        ("ep=" + "x" * 256, "lwm2m=1.1"),
        ("ep=a\nb", "lwm2m=1.1"),
        ("ep=node", "lwm2m=1.1", "lt=-1"),
        ("ep=node", "lwm2m=1.1", "lt=1e3"),
        ("ep=node", "lwm2m=1.1", "lt=4294967296"),
        ("ep=node", "lwm2m=1.1", "lt"),
        ("ep=node", "lwm2m=1.1", "b=X"),
        ("ep=node", "lwm2m=1.1", "b=UU"),
        ("ep=node", "lwm2m=1.1", "b="),
        ("ep=node", "lwm2m=1.1", "Q=1"),
        ("ep=node", "ep=other", "lwm2m=1.1"),
        ("ep=node", "lwm2m=1.1", *(f"x{number}=1" for number in range(40))),
    ],
)
def test_malformed_parameters_get_4_00(query: tuple[str, ...]) -> None:
    assert refusal(*query) is ResponseCode.BAD_REQUEST


@pytest.mark.parametrize("payload", [b"", b"</3/0", b"3/0", b"\xff", b"</3/0>;ver=x", b"</sensors>"])
def test_malformed_object_lists_get_4_00(payload: bytes) -> None:
    assert refusal(payload=payload) is ResponseCode.BAD_REQUEST


def test_an_object_list_in_another_format_gets_4_15() -> None:
    assert refusal(content_format=0) is ResponseCode.UNSUPPORTED_CONTENT_FORMAT


@pytest.mark.parametrize("length", [5000, 65000])
def test_a_huge_object_list_gets_4_13(length: int) -> None:
    payload = b",".join(b"</3/%d>" % number for number in range(length))
    assert refusal(payload=payload) is ResponseCode.REQUEST_ENTITY_TOO_LARGE


def test_an_update_says_only_what_changes() -> None:
    assert parse_update((), b"", None) == UpdateParameters()
    assert parse_update(("lt=30",), b"", None).lifetime == 30


def test_an_update_without_content_formats_keeps_the_negotiated_ones() -> None:
    found = parse_update((), b"</3/0>,</5/0>", 40, version="1.1")
    assert found.content_formats is None
    assert found.objects is not None
    assert set(found.objects) == {(3, 0), (5, 0)}


def test_an_update_may_change_binding_and_queue_mode() -> None:
    assert parse_update(("b=U", "Q"), b"", None, version="1.1").queue_mode is True
    assert parse_update(("b=UQ",), b"", None, version="1.0").queue_mode is True
    assert parse_update(("b=U",), b"", None, version="1.1").queue_mode is False


@pytest.mark.parametrize("query", [("lt=x",), ("b=?",), ("lt=1", "lt=2")])
def test_a_malformed_update_gets_4_00(query: tuple[str, ...]) -> None:
    with pytest.raises(RegistrationError) as refused:
        parse_update(query, b"", None)
    assert refused.value.code is ResponseCode.BAD_REQUEST


def test_a_bootstrap_request() -> None:
    found = parse_bootstrap_request(("ep=node", "pct=112", "mac=1"))
    assert (found.endpoint, found.preferred_content_format, found.attributes) == ("node", 112, {"mac": "1"})
    with pytest.raises(RegistrationError):
        parse_bootstrap_request(("ep=node", "pct=cbor"))


VERSIONS = st.sampled_from(["1.0", "1.1", "1.2"])
REGISTRATIONS = st.builds(
    RegistrationParameters,
    endpoint=st.text("abcXYZ0:-_.", min_size=1, max_size=40),
    lifetime=st.integers(0, 2**32 - 1),
    version=VERSIONS,
    binding=st.sampled_from(["U", "T", "UT", "US"]),
    queue_mode=st.booleans(),
    sms=st.none() | st.just("4912345"),
    objects=st.dictionaries(
        st.tuples(st.integers(1, 60000), st.integers(0, 9)), st.just("3.7"), min_size=1, max_size=5
    ),
    content_formats=st.frozensets(st.sampled_from([60, 110, 112, 11544])),
    root_path=st.sampled_from(["/", "/lwm2m"]),
    attributes=st.dictionaries(st.sampled_from(["mac", "hb"]), st.none() | st.just("7")),
)


@given(parameters=REGISTRATIONS)
def test_what_a_device_writes_a_server_reads(parameters: RegistrationParameters) -> None:
    query, payload = format_registration(parameters)
    found = parse_registration(query, payload, 40)
    assert {key: version for key, version in found.objects.items() if key[1] is not None} == parameters.objects
    for name in ("endpoint", "lifetime", "version", "binding", "queue_mode", "sms", "root_path", "attributes"):
        assert getattr(found, name) == getattr(parameters, name)
    assert found.content_formats - {11542} == parameters.content_formats


def test_an_update_that_a_device_writes_a_server_reads() -> None:
    registered = register()
    update = UpdateParameters(lifetime=10, queue_mode=True, objects={(3, 0): "1.1", (9, 0): "1.0"})
    found = parse_update(*format_update(update, registered), 40, version="1.1")
    assert (found.lifetime, found.queue_mode, found.objects) == (10, True, update.objects)


def test_devices_of_one_kind_share_what_they_say() -> None:
    one, other = (parse_register((f"ep={name}", *QUERY[1:]), OBJECTS, 40) for name in ("a", "b"))
    assert (one[0], other[0]) == ("a", "b")
    assert one[1] is other[1]
    assert one[1].endpoint is None


@given(parameters=REGISTRATIONS, at=st.integers(0, 4))
def test_the_name_is_told_apart_wherever_it_stands(parameters: RegistrationParameters, at: int) -> None:
    query, payload = format_registration(parameters)
    moved = [item for item in query if not item.startswith("ep=")]
    moved[at:at] = [item for item in query if item.startswith("ep=")]
    name, said = parse_register(moved, payload, 40)
    assert name == parameters.endpoint
    assert said.named(name) == parse_registration(query, payload, 40)


@pytest.mark.parametrize("query", [("ep=a", "ep=b"), ("ep=",), ("ep=a\n",)])
def test_a_name_is_told_once_and_can_be_shown(query: tuple[str, ...]) -> None:
    with pytest.raises(RegistrationError):
        parse_register((*query, "lwm2m=1.1"), OBJECTS, 40)


@given(st.lists(st.text(max_size=20), max_size=8), st.binary(max_size=100))
def test_arbitrary_requests_are_read_or_refused(query: list[str], payload: bytes) -> None:
    for parse in (parse_registration, parse_update):
        with contextlib.suppress(RegistrationError):
            parse(query, payload, 40)


def test_the_shape_of_a_1_1_registration() -> None:
    query, payload = format_registration(
        RegistrationParameters(
            "node", 60, "1.1", "U", True, objects={(3, 0): "1.1", (42769, 0): "2.0"}, content_formats=frozenset({112})
        )
    )
    assert query == ("ep=node", "lt=60", "lwm2m=1.1", "b=U", "Q")
    assert payload == b'</>;rt="oma.lwm2m";ct=112,</3/0>,</42769>;ver=2.0,</42769/0>'
    assert Link("/3/0").attributes == {}
