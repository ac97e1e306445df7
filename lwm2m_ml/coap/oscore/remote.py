"""The peer behind a context: the same object wherever it is, reached through whichever peer it was heard from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lwm2m_ml.coap.codec import encode_tail, parse_options
from lwm2m_ml.coap.deduplication import AnswerRing
from lwm2m_ml.coap.oscore.security import BareMessage
from lwm2m_ml.coap.remote import Remote

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Outcome, Transmission
    from lwm2m_ml.coap.errors import CoapError
    from lwm2m_ml.coap.oscore.active import ActiveContext
    from lwm2m_ml.coap.oscore.pending import PendingResponses

    SendWithNumber = Callable[[int], Transmission]


class OscoreRemote(Remote):
    """A peer known by its context; `carrier` is the peer that its messages come from and go to."""

    __slots__ = ("carrier",)

    def __init__(self, channel: OscoreChannel, carrier: Remote) -> None:
        super().__init__(
            channel,
            carrier.socket_address,
            scheme=carrier.scheme,
            answers=AnswerRing(0, 0.0),
            block_size_exponent=min(carrier.maximum_block_size_exp, 6),
            maximum_body=carrier.maximum_payload_size,
            identity=channel.active.identity,
        )
        self.carrier = carrier

    @property
    def oscore_channel(self) -> OscoreChannel:
        """What seals for this peer."""
        channel = self.channel
        assert isinstance(channel, OscoreChannel)  # noqa: S101  # nothing else makes such remotes
        return channel

    @property
    def wire(self) -> Remote:
        """The peer that messages come from and go to."""
        return self.carrier

    def travel(self, carrier: Remote) -> None:
        """The peer was heard through another one, in a message that is certainly fresh."""
        self.carrier = carrier
        self.socket_address = carrier.socket_address
        self.scheme = carrier.scheme

    def is_reached_through(self, remote: Remote) -> bool:
        """Whether this peer is gone when that one is."""
        return remote is self or remote is self.carrier


class OscoreChannel:
    """Seals what goes to the peer of one context."""

    __slots__ = ("_pending", "active")

    ordered = True
    """Notifications are let through in the order of their numbers (RFC 8613 §7.4.1)."""

    def __init__(self, active: ActiveContext, pending: PendingResponses) -> None:
        self.active = active
        self._pending = pending

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port on this side."""
        return self.active.remote.carrier.channel.local_address

    def transmit(
        self, remote: Remote, code: int, token: bytes, tail: bytes, *, confirmable: bool, outcome: Outcome
    ) -> Transmission:
        """Send a protected request."""
        options, payload = parse_options(tail, 0)
        message = BareMessage(code, options, payload)

        def send(number: int) -> Transmission:
            sealed, binding = self.active.security.seal_request(message, number)
            self._pending.expect(token, self.active, binding)
            return self.carry(sealed, token, confirmable=confirmable, outcome=outcome)

        return Postponed(self.active, send, outcome)

    def carry(self, sealed: BareMessage, token: bytes, *, confirmable: bool, outcome: Outcome) -> Transmission:
        """Hand a sealed message to the transport."""
        remote = self.active.remote
        carrier = remote.carrier
        tail = encode_tail(sealed.options, sealed.payload)
        remote.bytes_out += len(tail)
        return carrier.channel.transmit(carrier, sealed.code, token, tail, confirmable=confirmable, outcome=outcome)


class Postponed:
    """A message that may have to wait for its sequence number."""

    __slots__ = ("_outcome", "_send", "_stopped", "_transmission")

    def __init__(self, active: ActiveContext, send: SendWithNumber, outcome: Outcome) -> None:
        self._send = send
        self._outcome = outcome
        self._stopped = False
        self._transmission: Transmission | None = None
        active.with_number(self._number_is_here, self._fail)

    def _number_is_here(self, number: int) -> None:
        if not self._stopped:
            self._transmission = self._send(number)

    def _fail(self, error: CoapError) -> None:
        if not self._stopped:
            self._outcome(error)

    def stop(self) -> None:
        """Nobody waits for it any more."""
        self._stopped = True
        if self._transmission is not None:
            self._transmission.stop()
