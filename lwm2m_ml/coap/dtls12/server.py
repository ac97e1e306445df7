"""The server's side of a handshake (RFC 6347 §4.2, RFC 5246 §7.3), from a ClientHello whose cookie was good."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from lwm2m_ml.coap.dtls12 import extensions as ext
from lwm2m_ml.coap.dtls12 import messages
from lwm2m_ml.coap.dtls12.errors import HandshakeError
from lwm2m_ml.coap.dtls12.fragments import Message
from lwm2m_ml.coap.dtls12.handshake import Handshake, State, Step, Table
from lwm2m_ml.coap.dtls12.hellos import ClientHello, ServerHello
from lwm2m_ml.coap.dtls12.key_schedule import CLIENT_FINISHED, SERVER_FINISHED, psk_premaster
from lwm2m_ml.coap.dtls12.numbers import PSK_LENGTHS, RANDOM_BYTES, Alert, CertificateType, Extension, HandshakeType
from lwm2m_ml.coap.dtls12.signatures import EphemeralKey, Shown, Signer, check_hash
from lwm2m_ml.coap.dtls12.suites import SUITES, KeyExchange, Suite

_CERTIFICATES = frozenset({KeyExchange.ECDHE_ECDSA})


class Grant(Protocol):
    """A peer that is known, with its key when that is shared."""

    @property
    def identity(self) -> str:
        """Its name for the layers above."""

    @property
    def key(self) -> bytes:
        """The pre-shared key."""


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """What a server offers, and how it knows peers."""

    find_key: Callable[[str], Grant | None]
    """Who shows a PSK identity; None refuses it."""
    judge: Callable[[Shown], Grant | None]
    """Who shows this certificate or key, whose ownership is proved; None refuses it."""
    signer: Callable[[str], Signer | None]
    """Our certificate for a host name that the client asks for (empty: none); None: pre-shared keys only."""
    new_cid: Callable[[], bytes] | None = None
    """Makes connection ids; None: clients that ask for them get none."""


class ServerHandshake(Handshake):
    """One handshake of a server."""

    table: ClassVar[Table] = {
        (State.CERTIFICATE, HandshakeType.CERTIFICATE): Step("_take_certificate", "RFC 5246 §7.4.6", _CERTIFICATES),
        (State.CLIENT_KEY_EXCHANGE, HandshakeType.CLIENT_KEY_EXCHANGE): Step("_take_key_exchange", "RFC 5246 §7.4.7"),
        (State.CERTIFICATE_VERIFY, HandshakeType.CERTIFICATE_VERIFY): Step(
            "_take_certificate_verify", "RFC 5246 §7.4.8", _CERTIFICATES
        ),
        (State.FINISHED, HandshakeType.FINISHED): Step("_take_finished", "RFC 5246 §7.4.9"),
    }
    own_label = SERVER_FINISHED
    peer_label = CLIENT_FINISHED
    is_server = True

    def __init__(self, policy: ServerPolicy, hello: ClientHello, message: Message, next_record: int) -> None:
        """Answer a ClientHello, which came as `message`. Raises HandshakeError.

        Message numbers go on from those of the ClientHello, so that nothing had to be kept for the cookie.
        """
        sequence = message.sequence
        super().__init__(State.FINISHED, next_received=sequence + 1, next_sent=sequence, next_record=next_record)
        self.grant: Grant | None = None
        self._policy = policy
        self._shown: Shown | None = None
        self._ephemeral: EphemeralKey | None = None
        self._client_type = self._server_type = CertificateType.X509
        self._signer = policy.signer(ext.server_name(hello.extensions))
        self._transcript.update(message.encode())
        self.client_random = hello.random
        self.server_random = secrets.token_bytes(RANDOM_BYTES)
        self.suite = self._choose(hello)
        self._answer(hello)

    # Flight 4

    def _choose(self, hello: ClientHello) -> Suite:
        """The first suite of the client's list that both sides can do; the device knows best what it can afford."""
        curve, signatures = ext.offers_group(hello.extensions), ext.accepts_signatures(hello.extensions)
        for number in hello.suites:
            suite = SUITES.get(number)
            if suite is None or (suite.key_exchange.has_ephemeral_keys and not curve):
                continue
            if suite.key_exchange.has_shared_key or (signatures and self._agree_on_types(hello)):
                return suite
        raise HandshakeError(Alert.HANDSHAKE_FAILURE, "the two sides have no cipher suite in common")

    def _agree_on_types(self, hello: ClientHello) -> bool:
        """Choose how both sides show their keys: as the client likes best, and both alike if it can (RFC 7250 §4.2)."""
        if self._signer is None:
            return False
        ours, known = self._signer.kinds, tuple(CertificateType)
        offered = ext.offered_types(hello.extensions, Extension.SERVER_CERTIFICATE_TYPE)
        shown = next((kind for kind in offered if kind in ours), None)
        wanted = ext.offered_types(hello.extensions, Extension.CLIENT_CERTIFICATE_TYPE)
        asked = shown if shown in wanted else next((kind for kind in wanted if kind in known), None)
        if shown is None or asked is None:
            return False
        self._server_type, self._client_type = CertificateType(shown), CertificateType(asked)
        return True

    def _answer(self, hello: ClientHello) -> None:
        self._begin_flight()
        chosen = self._extensions(hello)
        assert self.suite is not None  # noqa: S101  # chosen just before
        self._send(HandshakeType.SERVER_HELLO, ServerHello(self.server_random, self.suite.number, chosen).encode())
        if self.exchange.has_ephemeral_keys:
            self._ephemeral = EphemeralKey()
        if self.exchange is KeyExchange.ECDHE_ECDSA:
            self._show_certificate()
        elif self._ephemeral is not None:
            no_hint = bytes(2)
            body = no_hint + messages.ecdh_parameters(self._ephemeral.point)
            self._send(HandshakeType.SERVER_KEY_EXCHANGE, body)
        self._send(HandshakeType.SERVER_HELLO_DONE, b"")
        self._end_flight()
        self.state = State.CERTIFICATE if self.exchange is KeyExchange.ECDHE_ECDSA else State.CLIENT_KEY_EXCHANGE

    def _extensions(self, hello: ClientHello) -> dict[int, bytes]:
        """Only what the client offered may be answered (RFC 5246 §7.4.1.4)."""
        if hello.extensions.get(Extension.RENEGOTIATION_INFO, ext.NO_RENEGOTIATION) != ext.NO_RENEGOTIATION:
            raise HandshakeError(Alert.HANDSHAKE_FAILURE, "a first handshake claims to be a later one")
        chosen: dict[int, bytes] = {}
        if hello.signals_renegotiation:
            chosen[Extension.RENEGOTIATION_INFO] = ext.NO_RENEGOTIATION
        if Extension.EXTENDED_MASTER_SECRET in hello.extensions:
            self.extended_master_secret = True
            chosen[Extension.EXTENDED_MASTER_SECRET] = b""
        if self.exchange.has_ephemeral_keys and Extension.POINT_FORMATS in hello.extensions:
            chosen[Extension.POINT_FORMATS] = ext.POINT_FORMATS
        if self.exchange is KeyExchange.ECDHE_ECDSA:
            kinds = {
                Extension.SERVER_CERTIFICATE_TYPE: self._server_type,
                Extension.CLIENT_CERTIFICATE_TYPE: self._client_type,
            }
            chosen |= {extension: bytes((kind,)) for extension, kind in kinds.items() if extension in hello.extensions}
        offered = ext.connection_id(hello.extensions)
        if offered is not None and self._policy.new_cid is not None:
            self.own_cid, self.peer_cid = self._policy.new_cid(), offered
            chosen[Extension.CONNECTION_ID] = bytes((len(self.own_cid),)) + self.own_cid
        return chosen

    def _show_certificate(self) -> None:
        assert self._signer is not None  # noqa: S101  # else another suite was chosen
        assert self._ephemeral is not None  # noqa: S101  # made for this key exchange
        shown = self._signer.shown_as(self._server_type)
        self._send(HandshakeType.CERTIFICATE, messages.encode_certificate(shown))
        parameters = messages.ecdh_parameters(self._ephemeral.point)
        signature = self._signer.sign(self.client_random + self.server_random + parameters)
        self._send(HandshakeType.SERVER_KEY_EXCHANGE, parameters + messages.encode_signature(signature))
        self._send(HandshakeType.CERTIFICATE_REQUEST, messages.CERTIFICATE_REQUEST)

    # Flight 5

    def _take_certificate(self, body: bytes) -> None:
        self._shown = messages.parse_certificate(body, self._client_type)
        self._shown.public_key  # noqa: B018  # refused here rather than after the key exchange
        self.state = State.CLIENT_KEY_EXCHANGE

    def _take_key_exchange(self, body: bytes) -> None:
        told = messages.ClientKeyExchange.parse(body, self.exchange)
        shared = b"" if self._ephemeral is None else self._ephemeral.shared(told.point)
        self._ephemeral = None
        if self.exchange.has_shared_key:
            self._derive(psk_premaster(self._key_of(told.identity), shared or None))
            self.state = State.FINISHED
        else:
            self._derive(shared)
            self.state = State.CERTIFICATE_VERIFY

    def _key_of(self, identity: bytes) -> bytes:
        name = identity.decode(errors="surrogateescape")
        self.grant = self._policy.find_key(name)
        if self.grant is None or len(self.grant.key) not in PSK_LENGTHS:
            raise HandshakeError(Alert.UNKNOWN_PSK_IDENTITY, f"the PSK identity {name!r} is not known")
        return self.grant.key

    def _take_certificate_verify(self, body: bytes) -> None:
        assert self._shown is not None  # noqa: S101  # the table lets it come after Certificate only
        signature = messages.parse_certificate_verify(body)
        check_hash(self._shown.public_key, signature, self._transcript.digest())
        self.grant = self._policy.judge(self._shown)
        if self.grant is None:
            raise HandshakeError(Alert.CERTIFICATE_UNKNOWN, "the certificate or key is not accepted")
        self.state = State.FINISHED

    def _take_finished(self, body: bytes) -> None:
        self._check_finished(body)
        self._transcript.update(Message(HandshakeType.FINISHED, self._reassembly.next - 1, body).encode())
        self._begin_flight()
        self._send_finished()
        self._end_flight()
        self.state = State.COMPLETE
