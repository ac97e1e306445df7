"""Requests of our own: who waits for which token from which peer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lwm2m_ml.coap.codec import RawMessage, encode_tail
from lwm2m_ml.coap.errors import CoapError, EndpointClosed, RequestTimeout
from lwm2m_ml.coap.remote import random_token

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Transmission
    from lwm2m_ml.coap.options import Options
    from lwm2m_ml.coap.oscore.layer import OscoreLayer
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.settings import CoapSettings


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """What to ask whom."""

    remote: Remote
    code: int
    options: Options
    payload: bytes = b""
    confirmable: bool = True


class Waiting:
    """One token that is in use, and what is done about the responses."""

    __slots__ = ("next", "remote", "timer", "token", "transmission")

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.next: Waiting | None = None
        """Another one of the same peer. A peer has few, and a table for them would be larger than they are."""
        self.token = b""
        self.transmission: Transmission | None = None
        self.timer: asyncio.TimerHandle | None = None

    def responded(self, message: RawMessage) -> bool:
        """A response came; says whether more may follow."""
        raise NotImplementedError

    def failed(self, error: CoapError) -> None:
        """No response will come any more."""
        raise NotImplementedError


class Calling(Waiting):
    """Tells two functions."""

    __slots__ = ("_on_failure", "_on_response")

    def __init__(
        self, remote: Remote, on_response: Callable[[RawMessage], bool], on_failure: Callable[[CoapError], None]
    ) -> None:
        super().__init__(remote)
        self._on_response = on_response
        self._on_failure = on_failure

    def responded(self, message: RawMessage) -> bool:
        """A response came."""
        return self._on_response(message)

    def failed(self, error: CoapError) -> None:
        """None will come."""
        self._on_failure(error)


class Requester:
    """Sends requests and gives each response to the one who waits; one failure concerns one request only."""

    __slots__ = ("_closed", "_settings", "_waiting", "protection")

    def __init__(self, settings: CoapSettings) -> None:
        self._settings = settings
        self._waiting: dict[Remote, Waiting] = {}
        """The newest one of each peer."""
        self._closed = False
        self.protection: OscoreLayer | None = None

    async def exchange(self, request: OutgoingRequest) -> RawMessage:
        """Send one request and wait for its response."""
        future: asyncio.Future[RawMessage] = asyncio.get_running_loop().create_future()

        def on_response(message: RawMessage) -> bool:
            if not future.done():
                future.set_result(message)
            return False

        def on_failure(error: CoapError) -> None:
            if not future.done():
                future.set_exception(error)

        waiting = self.start(request, on_response, on_failure)
        try:
            return await future
        finally:
            self.stop(waiting)

    def start(
        self,
        request: OutgoingRequest,
        on_response: Callable[[RawMessage], bool],
        on_failure: Callable[[CoapError], None],
        *,
        token: bytes | None = None,
    ) -> Waiting:
        """Send a request; the responses, or one failure, go to the callbacks until `stop`."""
        waiting = Calling(request.remote, on_response, on_failure)
        self.begin(waiting, request, token=token)
        return waiting

    def begin(self, waiting: Waiting, request: OutgoingRequest, *, token: bytes | None = None) -> None:
        """Send a request; the responses, or one failure, go to `waiting` until `stop`."""
        if self._closed:
            raise EndpointClosed("The endpoint is closed")
        remote = request.remote
        waiting.token = random_token() if token is None else token
        waiting.next = self._waiting.get(remote)
        self._waiting[remote] = waiting
        try:
            waiting.transmission = remote.channel.transmit(
                remote,
                request.code,
                waiting.token,
                encode_tail(request.options, request.payload),
                confirmable=request.confirmable,
                outcome=lambda error: self._sent(waiting, error),
            )
        except CoapError:
            self.stop(waiting)
            raise
        if not request.confirmable:
            self._expect_response(waiting)

    def _sent(self, waiting: Waiting, error: CoapError | None) -> None:
        """The message layer is done with the request; what follows is a separate response, or nothing."""
        waiting.transmission = None
        if error is not None:
            self._fail(waiting, error)
        else:
            self._expect_response(waiting)

    def _expect_response(self, waiting: Waiting) -> None:
        if self._find(waiting.remote, waiting.token) is waiting:
            loop = asyncio.get_running_loop()
            error = RequestTimeout(f"{waiting.remote.hostinfo} acknowledged the request but did not answer it")
            waiting.timer = loop.call_later(self._settings.response_timeout, self._fail, waiting, error)

    def receive(self, remote: Remote, message: RawMessage) -> bool:
        """Give a response to whoever waits for its token; False when nobody does."""
        waiting = self._find(remote, message.token)
        if waiting is None:
            return self._receive_protected(remote, message)
        remote.proven = True
        self._quiet(waiting)
        if not waiting.responded(message):
            self.stop(waiting)
        return True

    def _find(self, remote: Remote, token: bytes) -> Waiting | None:
        waiting = self._waiting.get(remote)
        while waiting is not None and waiting.token != token:
            waiting = waiting.next
        return waiting

    def _all(self, remote: Remote) -> Iterator[Waiting]:
        waiting = self._waiting.get(remote)
        while waiting is not None:
            yield waiting
            waiting = waiting.next

    def _receive_protected(self, carrier: Remote, message: RawMessage) -> bool:
        """A response from a peer that is known by its OSCORE context, not by whom it comes through."""
        opened = None if self.protection is None else self.protection.open_response(carrier, message)
        if opened is None or opened[0] is carrier:
            return False
        carrier.proven = True
        return self.receive(*opened)

    def fail(self, remote: Remote, token: bytes, error: CoapError) -> None:
        """A response came that cannot be used."""
        waiting = self._find(remote, token)
        if waiting is not None:
            self._fail(waiting, error)

    def fail_all(self, remote: Remote, error: CoapError) -> None:
        """The peer is gone: its connection or session ended."""
        peers = [remote]
        if self.protection is not None:
            peers = [peer for peer in self._waiting if peer.is_reached_through(remote)]
        for peer in peers:
            for waiting in list(self._all(peer)):
                self._fail(waiting, error)

    def _fail(self, waiting: Waiting, error: CoapError) -> None:
        self.stop(waiting)
        waiting.failed(error)

    def _quiet(self, waiting: Waiting) -> None:
        """A response is here: no retransmission, no time-out."""
        if waiting.transmission is not None:
            waiting.transmission.stop()
            waiting.transmission = None
        if waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None

    def stop(self, waiting: Waiting) -> None:
        """Nobody waits for this token any more."""
        self._quiet(waiting)
        if self._take_out(waiting) and self.protection is not None:
            self.protection.forget(waiting.token)

    def _take_out(self, waiting: Waiting) -> bool:
        """Take one out of those of its peer; False when it is none of them."""
        remote, following = waiting.remote, waiting.next
        before, one = None, self._waiting.get(remote)
        while one is not None and one is not waiting:
            before, one = one, one.next
        if one is None:
            return False
        waiting.next = None
        if before is not None:
            before.next = following
        elif following is not None:
            self._waiting[remote] = following
        else:
            del self._waiting[remote]
        return True

    def close(self) -> None:
        """Fail everything that still waits."""
        self._closed = True
        for waiting in [waiting for remote in self._waiting for waiting in self._all(remote)]:
            self._fail(waiting, EndpointClosed("The endpoint was closed while a request was under way"))
