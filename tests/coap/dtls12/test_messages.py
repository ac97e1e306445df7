"""The other messages of a handshake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12 import CertificateType, KeyExchange, Shown, messages
from lwm2m_ml.coap.dtls12.errors import MessageError
from lwm2m_ml.coap.dtls12.messages import ClientKeyExchange, ServerKeyExchange
from lwm2m_ml.coap.dtls12.vectors import Reader

EXCHANGES = st.sampled_from(list(KeyExchange))


@given(EXCHANGES, st.binary(max_size=128), st.binary(min_size=1, max_size=65))
def test_a_client_key_exchange_is_read_as_it_was_written(exchange: KeyExchange, identity: bytes, point: bytes) -> None:
    told = ClientKeyExchange(
        identity if exchange.has_shared_key else b"", point if exchange.has_ephemeral_keys else b""
    )
    assert ClientKeyExchange.parse(told.encode(exchange), exchange) == told


def test_a_signed_server_key_exchange_is_read_as_it_was_written() -> None:
    parameters = messages.ecdh_parameters(b"point")
    body = parameters + messages.encode_signature(b"signature")
    assert ServerKeyExchange.parse(body, KeyExchange.ECDHE_ECDSA) == ServerKeyExchange(
        b"point", parameters, b"signature"
    )


def test_the_hint_of_a_server_is_skipped() -> None:
    assert ServerKeyExchange.parse(b"\x00\x04hint", KeyExchange.PSK) == ServerKeyExchange()
    body = b"\x00\x04hint" + messages.ecdh_parameters(b"point")
    assert ServerKeyExchange.parse(body, KeyExchange.ECDHE_PSK).point == b"point"


def test_another_curve_or_signature_than_offered_is_an_error() -> None:
    with pytest.raises(MessageError, match="curve"):
        ServerKeyExchange.parse(b"\x00\x00\x03\x00\x1d\x01x", KeyExchange.ECDHE_PSK)
    with pytest.raises(MessageError, match="algorithm"):
        messages.parse_signature(Reader(b"\x04\x01\x00\x01x"))


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=messages.MOST_CERTIFICATES))
def test_certificates_are_read_as_they_were_written(entries: list[bytes]) -> None:
    shown = Shown(CertificateType.X509, tuple(entries))
    assert messages.parse_certificate(messages.encode_certificate(shown), CertificateType.X509) == shown


def test_a_raw_public_key_stands_alone() -> None:
    shown = Shown(CertificateType.RAW_PUBLIC_KEY, (b"key",))
    assert messages.encode_certificate(shown) == b"\x00\x00\x03key"
    assert messages.parse_certificate(b"\x00\x00\x03key", CertificateType.RAW_PUBLIC_KEY) == shown


def test_no_certificate_at_all_can_be_shown() -> None:
    for kind in CertificateType:
        assert messages.parse_certificate(messages.NO_CERTIFICATE, kind).entries == ()


def test_too_many_certificates_are_an_error() -> None:
    shown = Shown(CertificateType.X509, (b"c",) * (messages.MOST_CERTIFICATES + 1))
    with pytest.raises(MessageError, match="too many"):
        messages.parse_certificate(messages.encode_certificate(shown), CertificateType.X509)


def test_an_identity_beyond_the_limit_is_an_error() -> None:
    told = ClientKeyExchange(b"i" * (messages.LONGEST_IDENTITY + 1))
    with pytest.raises(MessageError, match="too long"):
        ClientKeyExchange.parse(told.encode(KeyExchange.PSK), KeyExchange.PSK)


def test_a_request_for_other_keys_than_ours_is_noticed() -> None:
    assert messages.accepts_our_key(messages.CERTIFICATE_REQUEST)
    assert not messages.accepts_our_key(bytes.fromhex("0101 0002 0403 0000"))


@given(st.binary(max_size=80), EXCHANGES, st.sampled_from(list(CertificateType)))
def test_any_bytes_are_a_message_or_an_error(body: bytes, exchange: KeyExchange, kind: CertificateType) -> None:
    for parse in (
        lambda: ServerKeyExchange.parse(body, exchange),
        lambda: ClientKeyExchange.parse(body, exchange),
        lambda: messages.parse_certificate(body, kind),
        lambda: messages.accepts_our_key(body),
        lambda: messages.parse_certificate_verify(body),
    ):
        try:
            parse()
        except MessageError:
            continue
