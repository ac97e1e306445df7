"""The client's side of a handshake (RFC 6347 §4.2, RFC 5246 §7.3)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from lwm2m_ml.coap.dtls12 import extensions as ext
from lwm2m_ml.coap.dtls12 import messages
from lwm2m_ml.coap.dtls12.errors import HandshakeError
from lwm2m_ml.coap.dtls12.handshake import Handshake, State, Step, Table
from lwm2m_ml.coap.dtls12.hellos import ClientHello, ServerHello, parse_verify_request
from lwm2m_ml.coap.dtls12.key_schedule import CLIENT_FINISHED, SERVER_FINISHED, psk_premaster
from lwm2m_ml.coap.dtls12.numbers import (
    RANDOM_BYTES,
    RENEGOTIATION_SIGNAL,
    Alert,
    CertificateType,
    Extension,
    HandshakeType,
)
from lwm2m_ml.coap.dtls12.signatures import EphemeralKey, Shown, Signer, check
from lwm2m_ml.coap.dtls12.suites import SUITES, KeyExchange

_CERTIFICATES = frozenset({KeyExchange.ECDHE_ECDSA})
_PSK = frozenset({KeyExchange.PSK})
MOST_COOKIES = 2
"""HelloVerifyRequests that are followed; a second one is told by a server that changed its keys in between."""


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """What a client shows to one server, and what it expects of it: a shared key, or keys of their own."""

    identity: bytes = b""
    key: bytes = field(default=b"", repr=False)
    signer: Signer | None = None
    client_types: tuple[CertificateType, ...] = (CertificateType.X509,)
    server_types: tuple[CertificateType, ...] = (CertificateType.X509,)
    judge: Callable[[Shown], bool] = lambda _shown: False
    """Whether the server is the one meant; that it owns what it shows is proved."""
    server_name: str = ""
    own_cid: bytes | None = b""
    """Under which records shall come to us; empty: none needed, yet the server may want one; None: do not ask."""
    suites: tuple[int, ...] = ()
    """What is offered, best first; empty: all that fit the secret."""

    @property
    def offered_suites(self) -> tuple[int, ...]:
        """The suites that the secret is good for."""
        wanted = self.suites or tuple(SUITES)
        return tuple(one for one in wanted if SUITES[one].key_exchange.has_shared_key == (self.signer is None))


class ClientHandshake(Handshake):
    """One handshake of a client; the first flight is ready from the beginning."""

    table: ClassVar[Table] = {
        (State.SERVER_HELLO, HandshakeType.HELLO_VERIFY_REQUEST): Step("_take_cookie", "RFC 6347 §4.2.1"),
        (State.SERVER_HELLO, HandshakeType.SERVER_HELLO): Step("_take_hello", "RFC 5246 §7.4.1.3"),
        (State.CERTIFICATE, HandshakeType.CERTIFICATE): Step("_take_certificate", "RFC 5246 §7.4.2", _CERTIFICATES),
        (State.SERVER_KEY_EXCHANGE, HandshakeType.SERVER_KEY_EXCHANGE): Step("_take_key_exchange", "RFC 5246 §7.4.3"),
        (State.SERVER_KEY_EXCHANGE, HandshakeType.SERVER_HELLO_DONE): Step("_take_done", "RFC 4279 §2", _PSK),
        (State.CERTIFICATE_REQUEST, HandshakeType.CERTIFICATE_REQUEST): Step(
            "_take_request", "RFC 5246 §7.4.4", _CERTIFICATES
        ),
        (State.CERTIFICATE_REQUEST, HandshakeType.SERVER_HELLO_DONE): Step("_take_done", "RFC 5246 §7.4.5"),
        (State.SERVER_HELLO_DONE, HandshakeType.SERVER_HELLO_DONE): Step("_take_done", "RFC 5246 §7.4.5"),
        (State.FINISHED, HandshakeType.FINISHED): Step("_take_finished", "RFC 5246 §7.4.9"),
    }
    own_label = CLIENT_FINISHED
    peer_label = SERVER_FINISHED
    is_server = False

    def __init__(self, policy: ClientPolicy) -> None:
        super().__init__(State.SERVER_HELLO, next_received=0, next_sent=0, next_record=0)
        self.shown: Shown | None = None
        """What the server proved to own."""
        self._policy = policy
        self._point = b""
        self._is_asked = False
        self._cookies = 0
        self._client_type = self._server_type = CertificateType.X509
        self.client_random = secrets.token_bytes(RANDOM_BYTES)
        suites = (*policy.offered_suites, RENEGOTIATION_SIGNAL)
        self._hello = ClientHello(self.client_random, suites, self._extensions())
        self._say_hello()

    # Flights 1 and 3

    def _extensions(self) -> dict[int, bytes]:
        policy = self._policy
        offered: dict[int, bytes] = {Extension.EXTENDED_MASTER_SECRET: b""}
        if any(SUITES[one].key_exchange.has_ephemeral_keys for one in policy.offered_suites):
            offered |= {Extension.SUPPORTED_GROUPS: ext.GROUPS, Extension.POINT_FORMATS: ext.POINT_FORMATS}
        if policy.signer is not None:
            offered[Extension.SIGNATURE_ALGORITHMS] = ext.SIGNATURES
            for extension, kinds in (
                (Extension.CLIENT_CERTIFICATE_TYPE, policy.client_types),
                (Extension.SERVER_CERTIFICATE_TYPE, policy.server_types),
            ):
                if kinds != (CertificateType.X509,):
                    offered[extension] = bytes((len(kinds), *kinds))
        if policy.server_name:
            offered[Extension.SERVER_NAME] = ext.encode_server_name(policy.server_name)
        if policy.own_cid is not None:
            offered[Extension.CONNECTION_ID] = bytes((len(policy.own_cid),)) + policy.own_cid
        return offered

    def _say_hello(self) -> None:
        self._begin_flight()
        self._send(HandshakeType.CLIENT_HELLO, self._hello.encode())
        self._end_flight()

    def _take_cookie(self, body: bytes) -> None:
        self._cookies += 1
        if self._cookies > MOST_COOKIES:
            raise HandshakeError(Alert.UNEXPECTED_MESSAGE, "the server wants one cookie after the other")
        self._hello = replace(self._hello, cookie=parse_verify_request(body))
        self._forget_transcript()
        self._say_hello()

    # Flight 4

    def _take_hello(self, body: bytes) -> None:
        hello = ServerHello.parse(body)
        if hello.suite not in self._policy.offered_suites:
            raise HandshakeError(Alert.ILLEGAL_PARAMETER, "the server chose a cipher suite that was not offered")
        self._check_extensions(hello.extensions)
        self.suite = SUITES[hello.suite]
        self.server_random = hello.random
        self.extended_master_secret = Extension.EXTENDED_MASTER_SECRET in hello.extensions
        cid = ext.connection_id(hello.extensions)
        if cid is not None:
            self.own_cid, self.peer_cid = self._policy.own_cid or b"", cid
        if self.exchange is KeyExchange.ECDHE_ECDSA:
            policy = self._policy
            self._client_type = ext.chosen_type(
                hello.extensions, Extension.CLIENT_CERTIFICATE_TYPE, policy.client_types
            )
            self._server_type = ext.chosen_type(
                hello.extensions, Extension.SERVER_CERTIFICATE_TYPE, policy.server_types
            )
            self.state = State.CERTIFICATE
        else:
            self.state = State.SERVER_KEY_EXCHANGE

    def _check_extensions(self, chosen: ext.Extensions) -> None:
        allowed = {*self._hello.extensions, Extension.RENEGOTIATION_INFO}
        if not chosen.keys() <= allowed:
            raise HandshakeError(Alert.UNSUPPORTED_EXTENSION, "the server answers an extension that was not offered")
        if chosen.get(Extension.RENEGOTIATION_INFO, ext.NO_RENEGOTIATION) != ext.NO_RENEGOTIATION:
            raise HandshakeError(Alert.HANDSHAKE_FAILURE, "a first handshake claims to be a later one")

    def _take_certificate(self, body: bytes) -> None:
        self.shown = messages.parse_certificate(body, self._server_type)
        self.shown.public_key  # noqa: B018  # refused here when it cannot be used
        self.state = State.SERVER_KEY_EXCHANGE

    def _take_key_exchange(self, body: bytes) -> None:
        told = messages.ServerKeyExchange.parse(body, self.exchange)
        self._point = told.point
        if self.shown is None:
            self.state = State.SERVER_HELLO_DONE
            return
        signed = self.client_random + self.server_random + told.parameters
        check(self.shown.public_key, told.signature, signed)
        if not self._policy.judge(self.shown):
            raise HandshakeError(Alert.CERTIFICATE_UNKNOWN, "the server is not the one that was expected")
        self.state = State.CERTIFICATE_REQUEST

    def _take_request(self, body: bytes) -> None:
        if not messages.accepts_our_key(body):
            raise HandshakeError(Alert.HANDSHAKE_FAILURE, "the server does not take keys of our kind")
        self._is_asked = True
        self.state = State.SERVER_HELLO_DONE

    # Flight 5

    def _take_done(self, body: bytes) -> None:
        if body:
            raise HandshakeError(Alert.DECODE_ERROR, "a ServerHelloDone has content")
        self._begin_flight()
        signer = self._policy.signer
        if self._is_asked and signer is not None:
            shown = signer.shown_as(self._client_type)
            self._send(HandshakeType.CERTIFICATE, messages.encode_certificate(shown))
        ephemeral = EphemeralKey() if self.exchange.has_ephemeral_keys else None
        told = messages.ClientKeyExchange(self._policy.identity, b"" if ephemeral is None else ephemeral.point)
        self._send(HandshakeType.CLIENT_KEY_EXCHANGE, told.encode(self.exchange))
        shared = b"" if ephemeral is None else ephemeral.shared(self._point)
        self._derive(psk_premaster(self._policy.key, shared or None) if self.exchange.has_shared_key else shared)
        if self._is_asked and signer is not None:
            signature = signer.sign_hash(self._transcript.digest())
            self._send(HandshakeType.CERTIFICATE_VERIFY, messages.encode_signature(signature))
        self._send_finished()
        self._end_flight()
        self.state = State.FINISHED

    # Flight 6

    def _take_finished(self, body: bytes) -> None:
        self._check_finished(body)
        self.state = State.COMPLETE
