"""One TCP connection with one peer (RFC 8323 §3, §5); both sides may ask and answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from lwm2m_ml.coap.bert import HEAD, bert_bytes
from lwm2m_ml.coap.codec import RawMessage, header, parse_options
from lwm2m_ml.coap.errors import CoapError, HandshakeFailed, MalformedMessage, NetworkError, UnusableOption
from lwm2m_ml.coap.fast import FastRequest
from lwm2m_ml.coap.numbers import BAD_OPTION, CON, EMPTY, NON
from lwm2m_ml.coap.options import unit_bits, usable
from lwm2m_ml.coap.tcp.framing import Frame, FrameReader, encode_frame
from lwm2m_ml.coap.tcp.signalling import (
    ABORT,
    CSM,
    PING,
    PONG,
    RELEASE,
    SIGNALS,
    Capabilities,
    diagnostic,
    signal_options,
)

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Outcome, Transmission
    from lwm2m_ml.coap.dtls.credentials import ServerCredential
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.tcp.transport import TcpTransport

logger = structlog.get_logger(__name__)


class Sent:
    """A message on a reliable stream is on its way; there is nothing to stop."""

    __slots__ = ()

    def stop(self) -> None:
        """Nothing to do."""


SENT = Sent()


class StreamRequest:
    """A request that arrived on a connection."""

    __slots__ = ("_connection", "remote", "size", "token")

    def __init__(self, connection: TcpConnection, remote: Remote, token: bytes, size: int) -> None:
        self._connection = connection
        self.remote = remote
        self.token = token
        self.size = size

    def reply(self, code: int, tail: bytes) -> None:
        """Send the answer; code 0 is none."""
        if code != EMPTY:
            self._connection.write(code, self.token, tail)

    def notify(self, code: int, tail: bytes, *, confirmable: bool, outcome: Outcome) -> Transmission:
        """Send a further response."""
        return self._connection.transmit(self.remote, code, self.token, tail, confirmable=confirmable, outcome=outcome)


class TcpConnection(asyncio.Protocol):
    """The connection, its peer and its keep-alive; also the channel of its remote."""

    __slots__ = (
        "_heard",
        "_owner",
        "_peer",
        "_reader",
        "_timer",
        "_transport",
        "capabilities",
        "closed",
        "credential",
        "ready",
        "remote",
    )

    ordered = True

    def __init__(self, owner: TcpTransport, credential: ServerCredential | None = None) -> None:
        self._owner = owner
        self._transport: Any = None
        self._reader = FrameReader(owner.settings.maximum_message)
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        self.credential = credential
        self.remote: Remote | None = None
        self.capabilities: Capabilities | None = None
        self.ready: asyncio.Future[Remote] = owner.loop.create_future()
        self.ready.add_done_callback(_seen)
        self.closed: asyncio.Future[None] = owner.loop.create_future()

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port where this side listens."""
        return self._owner.local_address

    # asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        """The stream is open: say what we can, expect the same."""
        self._transport = transport
        settings = self._owner.settings
        if not self._owner.admit(self):
            transport.abort()
            return
        self.remote = self._owner.new_remote(self, transport)
        if self.remote is None:
            self.abort("The peer proved no identity")
            return
        self.write(CSM, b"", Capabilities(settings.maximum_message, block_wise=True).encode())
        self._timer = self._owner.loop.call_later(settings.csm_timeout, self._no_capabilities)

    def _no_capabilities(self) -> None:
        self.abort("No CSM in time")

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        self._heard = True
        self._owner.bytes_in += len(data)
        if self.remote is None:
            return
        self.remote.bytes_in += len(data)
        try:
            for frame in self._reader.feed(data):
                self._receive(frame, self.remote)
        except CoapError as error:
            self.abort(error.message)

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream has ended, and with it all that was under way on it."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.ready.done():
            self.ready.set_exception(HandshakeFailed("The peer closed the connection before it was set up"))
        self._owner.lost(self)
        if not self.closed.done():
            self.closed.set_result(None)

    # Receiving

    def _receive(self, frame: Frame, remote: Remote) -> None:
        if self._transport.is_closing():
            return
        if remote.listener is not None:
            remote.listener(True, header(NON, frame.code, 0, frame.token) + frame.body)
        if frame.code in SIGNALS:
            self._signal(frame, remote)
        elif self.capabilities is None:
            raise MalformedMessage("The first message is not a CSM")
        elif frame.code == EMPTY:
            return
        elif frame.code < 32:
            self._request(frame, remote)
        else:
            self._response(frame, remote)

    def _signal(self, frame: Frame, remote: Remote) -> None:
        if frame.code == CSM:
            self.capabilities = (self.capabilities or Capabilities()).updated(frame.body)
            remote.bert_bytes = bert_bytes(self.capabilities, self._owner.settings.maximum_message)
            remote.maximum_block_size_exp = self._largest_block(self.capabilities)
            if not self.ready.done():
                self.ready.set_result(remote)
                self._watch()
            return
        signal_options(frame.code, frame.body)
        if frame.code == PING:
            self.write(PONG, frame.token, b"")
        elif frame.code in (RELEASE, ABORT):
            self._transport.close()

    def _largest_block(self, capabilities: Capabilities) -> int:
        """The size exponent of blocks that a peer takes which takes small messages only."""
        exponent = self._owner.settings.block_size_exponent
        while exponent and (1 << unit_bits(exponent)) + HEAD > capabilities.max_message_size:
            exponent -= 1
        return exponent

    def _request(self, frame: Frame, remote: Remote) -> None:
        options, payload = parse_options(frame.body, 0)
        size = len(frame.body) + len(frame.token)
        incoming = StreamRequest(self, remote, frame.token, size)
        try:
            request = FastRequest(remote, frame.code, usable(options), payload)
        except UnusableOption as error:
            incoming.reply(BAD_OPTION, diagnostic(error.message))
            return
        answer = self._owner.responder.answer(request, size)
        if isinstance(answer, tuple):
            incoming.reply(*answer)
        else:
            self._owner.responder.answer_later(request, incoming, answer)

    def _response(self, frame: Frame, remote: Remote) -> None:
        options, payload = parse_options(frame.body, 0)
        try:
            message = RawMessage(CON, frame.code, 0, frame.token, usable(options), payload)
        except UnusableOption as error:
            self._owner.requester.fail(remote, frame.token, error)
            return
        self._owner.requester.receive(remote, message)

    # Sending

    def transmit(
        self, remote: Remote, code: int, token: bytes, tail: bytes, *, confirmable: bool, outcome: Outcome
    ) -> Transmission:
        """Send a request or a notification; the stream sees to it that it arrives."""
        if self._transport.is_closing():
            raise NetworkError(f"The connection to {remote.hostinfo} is closed")
        self.write(code, token, tail)
        self._owner.loop.call_soon(outcome, None)
        return SENT

    def write(self, code: int, token: bytes, body: bytes) -> None:
        """Put a message on the stream; a peer that does not read is cut off."""
        if self._transport.is_closing():
            return
        frame = encode_frame(code, token, body)
        if self.remote is not None:
            self.remote.bytes_out += len(frame)
            if self.remote.listener is not None:
                self.remote.listener(False, header(NON, code, 0, token) + body)
        self._owner.bytes_out += len(frame)
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > self._owner.settings.maximum_unsent:
            logger.info("A peer does not read what it is sent", peer=str(self.remote))
            self._transport.abort()

    # The end

    def _watch(self) -> None:
        """Ping a peer that was silent for a while; one that stays silent is gone (RFC 8323 §5.4)."""
        if self._timer is not None:
            self._timer.cancel()
        self._heard = True
        self._timer = self._owner.loop.call_later(self._owner.settings.keep_alive, self._ping)

    def _ping(self) -> None:
        settings = self._owner.settings
        if self._heard:
            self._watch()
            self._heard = False
            return
        self.write(PING, b"", b"")
        self._timer = self._owner.loop.call_later(settings.pong_timeout, self._no_pong)

    def _no_pong(self) -> None:
        if self._heard:
            self._watch()
            return
        logger.info("A peer does not answer pings", peer=str(self.remote))
        self._transport.abort()

    def abort(self, reason: str) -> None:
        """Tell the peer what is wrong and end the connection (RFC 8323 §5.6)."""
        logger.info("A TCP connection is aborted", peer=str(self.remote), reason=reason)
        self.write(ABORT, b"", diagnostic(reason))
        self._transport.close()

    def cut(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def release(self) -> None:
        """End the connection in order (RFC 8323 §5.5)."""
        self.write(RELEASE, b"", b"")
        self._transport.close()


def _seen(future: asyncio.Future[Remote]) -> None:
    """A connection that fails when nobody waits for it is no news."""
    if not future.cancelled():
        future.exception()
