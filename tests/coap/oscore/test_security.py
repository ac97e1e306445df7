"""RFC 8613 Appendix C, and what must never be accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.codec import encode, parse
from lwm2m_ml.coap.numbers import CHANGED, CONTENT, FETCH, GET, OBSERVE, OSCORE, POST, URI_HOST, URI_PATH
from lwm2m_ml.coap.oscore import OscoreCredential
from lwm2m_ml.coap.oscore.algorithms import AEAD_ALGORITHMS
from lwm2m_ml.coap.oscore.errors import NumbersUsedUp, ProtectionInvalid, UnusableCredential
from lwm2m_ml.coap.oscore.security import BareMessage, RequestBinding, SecurityContext

SECRET = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")
SALT = bytes.fromhex("9e7ca92223786340")
CONTEXT = bytes.fromhex("37cbf3210017a2d3")


def context(sender: bytes, recipient: bytes, salt: bytes = b"", id_context: bytes | None = None) -> SecurityContext:
    return SecurityContext(OscoreCredential("peer", SECRET, sender, recipient, id_context, salt))


def protected(security: SecurityContext, request: str, number: int) -> str:
    plain = parse(bytes.fromhex(request))
    sealed, _ = security.seal_request(BareMessage(plain.code, plain.options, plain.payload), number)
    plain.code, plain.options, plain.payload = sealed
    return encode(plain).hex()


@pytest.mark.parametrize(
    ("security", "sender_key", "recipient_key", "common_iv"),
    [
        pytest.param(
            context(b"", b"\x01", SALT),
            "f0910ed7295e6ad4b54fc793154302ff",
            "ffb14e093c94c9cac9471648b4f98710",
            "4622d4dd6d944168eefb54987c",
            id="C.1 with a salt",
        ),
        pytest.param(
            context(b"\x00", b"\x01"),
            "321b26943253c7ffb6003b0b64d74041",
            "e57b5635815177cd679ab4bcec9d7dda",
            "be35ae297d2dace910c52e99f9",
            id="C.2 without salt",
        ),
        pytest.param(
            context(b"", b"\x01", SALT, CONTEXT),
            "af2a1300a5e95788b356336eeecd2b92",
            "e39a0c7c77b43f03b4b39ab9a268699f",
            "2ca58fb85ff1b81c0b7181b85e",
            id="C.3 with an id context",
        ),
    ],
)
def test_keys_are_derived_as_in_appendix_c(
    security: SecurityContext, sender_key: str, recipient_key: str, common_iv: str
) -> None:
    credential = security.credential
    assert security._derive(credential.sender_id, "Key", 16).hex() == sender_key
    assert security._derive(credential.recipient_id, "Key", 16).hex() == recipient_key
    assert security._derive(b"", "IV", 13).hex() == common_iv


@pytest.mark.parametrize(
    ("security", "request_", "expected"),
    [
        pytest.param(
            context(b"", b"\x01", SALT),
            "44015d1f00003974396c6f63616c686f737483747631",
            "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e",
            id="C.4",
        ),
        pytest.param(
            context(b"\x00", b"\x01"),
            "440171c30000b932396c6f63616c686f737483747631",
            "440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0",
            id="C.5",
        ),
        pytest.param(
            context(b"", b"\x01", SALT, CONTEXT),
            "44012f8eef9bbf7a396c6f63616c686f737483747631",
            "44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3",
            id="C.6",
        ),
    ],
)
def test_requests_are_protected_as_in_appendix_c(security: SecurityContext, request_: str, expected: str) -> None:
    assert protected(security, request_, 20) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(None, "64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106", id="C.7"),
        pytest.param(0, "64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e", id="C.8"),
    ],
)
def test_responses_are_protected_as_in_appendix_c(number: int | None, expected: str) -> None:
    server = context(b"\x01", b"", SALT)
    plain = parse(bytes.fromhex("64455d1f00003974ff48656c6c6f20576f726c6421"))
    binding = RequestBinding(b"", b"\x14", False)
    sealed = server.seal_response(BareMessage(plain.code, plain.options, plain.payload), binding, number)
    plain.code, plain.options, plain.payload = sealed
    assert encode(plain).hex() == expected
    opened, own = context(b"", b"\x01", SALT).open_response(sealed, binding)
    assert (opened, own) == (BareMessage(CONTENT, [], b"Hello World!"), number)


OPTIONS = st.lists(st.tuples(st.sampled_from([4, 11, 12, 15, 23]), st.binary(max_size=3)), max_size=5)


@given(OPTIONS, st.binary(max_size=50), st.integers(0, (1 << 40) - 1), st.sampled_from(sorted(AEAD_ALGORITHMS)))
def test_what_is_sealed_is_opened_by_the_peer_only(
    options: list[tuple[int, bytes]], payload: bytes, number: int, algorithm: int
) -> None:
    options.sort(key=lambda option: option[0])
    client = SecurityContext(OscoreCredential("s", SECRET, b"c", b"s", algorithm=algorithm))
    server = SecurityContext(OscoreCredential("c", SECRET, b"s", b"c", algorithm=algorithm))
    stranger = SecurityContext(OscoreCredential("c", SECRET[::-1], b"s", b"c", algorithm=algorithm))
    sealed, binding = client.seal_request(BareMessage(GET, options, payload), number)
    assert server.open_request(sealed) == (BareMessage(GET, options, payload), binding)
    with pytest.raises(ProtectionInvalid):
        stranger.open_request(sealed)


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_message_is_refused(position: int, change: int) -> None:
    sealed, _ = context(b"c", b"s").seal_request(BareMessage(POST, [(URI_PATH, b"rd")], b"payload"), 7)
    changed = bytearray(sealed.payload)
    changed[position % len(changed)] ^= change
    with pytest.raises(ProtectionInvalid):
        context(b"s", b"c").open_request(BareMessage(sealed.code, sealed.options, bytes(changed)))


@given(st.binary(max_size=12), st.binary(max_size=40))
def test_any_bytes_are_refused_with_our_own_error(option: bytes, payload: bytes) -> None:
    with pytest.raises(ProtectionInvalid):
        context(b"s", b"c").open_request(BareMessage(POST, [(OSCORE, option)], payload))


def test_a_response_belongs_to_one_request() -> None:
    client, server = context(b"c", b"s"), context(b"s", b"c")
    _, first = client.seal_request(BareMessage(GET, []), 1)
    _, second = client.seal_request(BareMessage(GET, []), 2)
    answer = server.seal_response(BareMessage(CONTENT, [], b"1"), first, None)
    with pytest.raises(ProtectionInvalid):
        client.open_response(answer, second)


def test_only_what_proxies_need_is_visible() -> None:
    options = [(URI_HOST, b"host"), (URI_PATH, b"secret"), (15, b"query")]
    sealed, _ = context(b"c", b"s").seal_request(BareMessage(GET, options), 0)
    assert (sealed.code, [number for number, _ in sealed.options]) == (POST, [URI_HOST, OSCORE])


def test_options_outside_that_belong_inside_are_discarded() -> None:
    sealed, _ = context(b"c", b"s").seal_request(BareMessage(GET, [(URI_PATH, b"a")]), 0)
    forged = BareMessage(sealed.code, [*sealed.options, (URI_PATH, b"b")], sealed.payload)
    assert context(b"s", b"c").open_request(forged)[0].options == [(URI_PATH, b"a")]


def test_an_observation_is_visible_and_protected() -> None:
    client, server = context(b"c", b"s"), context(b"s", b"c")
    sealed, binding = client.seal_request(BareMessage(GET, [(OBSERVE, b"")]), 0)
    assert (sealed.code, sealed.options[0]) == (FETCH, (OBSERVE, b""))
    assert server.open_request(sealed)[0].options == [(OBSERVE, b"")]
    notification = server.seal_response(BareMessage(CONTENT, [(OBSERVE, b"\x05")], b"1"), binding, 300)
    assert (notification.code, notification.options[0]) == (CONTENT, (OBSERVE, b"\x01\x2c"))
    assert client.open_response(notification, binding) == (BareMessage(CONTENT, [(OBSERVE, b"")], b"1"), 300)


def test_an_observation_that_a_proxy_does_not_carry_is_none() -> None:
    sealed, _ = context(b"c", b"s").seal_request(BareMessage(GET, [(OBSERVE, b"")]), 0)
    without = BareMessage(sealed.code, sealed.options[1:], sealed.payload)
    assert context(b"s", b"c").open_request(without)[0].options == []


def test_a_response_to_an_ordinary_request_is_changed_outside() -> None:
    server = context(b"s", b"c")
    assert server.seal_response(BareMessage(CONTENT, []), RequestBinding(b"c", b"\x00", False), None).code == CHANGED


def test_numbers_end() -> None:
    with pytest.raises(NumbersUsedUp):
        context(b"c", b"s").seal_request(BareMessage(GET, []), 1 << 40)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender_id": bytes(8)},
        {"recipient_id": b"c"},
        {"master_secret": b""},
        {"algorithm": 99},
        {"hkdf": 0},
        {"window": 0},
    ],
)
def test_credentials_that_give_no_context_are_refused(wrong: dict[str, object]) -> None:
    arguments: dict[str, object] = {"identity": "p", "master_secret": SECRET, "sender_id": b"c", "recipient_id": b"s"}
    with pytest.raises(UnusableCredential):
        OscoreCredential(**{**arguments, **wrong})  # type: ignore[arg-type]


def test_a_credential_does_not_show_its_secrets() -> None:
    assert "master" not in repr(context(b"c", b"s").credential)


def test_state_belongs_to_exact_keys() -> None:
    names = {
        OscoreCredential("p", SECRET, b"c", b"s").context_name,
        OscoreCredential("p", SECRET[1:], b"c", b"s").context_name,
        OscoreCredential("p", SECRET, b"cs", b"").context_name,
        OscoreCredential("p", SECRET, b"c", b"s", b"").context_name,
    }
    assert len(names) == 4
