"""Observing a resource of a peer (RFC 7641 §3): fresh notifications in order, each one whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.coap.messages import to_message
from lwm2m_ml.coap.notification import Notification
from lwm2m_ml.coap.options import first, first_uint, without
from lwm2m_ml.coap.requester import OutgoingRequest, Waiting
from lwm2m_ml.coap.transfer import Transfer
from lwm2m_ml.sharing import shared

if TYPE_CHECKING:
    import aiocoap

    from lwm2m_ml.coap.codec import RawMessage
    from lwm2m_ml.coap.requester import Requester
    from lwm2m_ml.coap.settings import CoapSettings

logger = structlog.get_logger(__name__)

SEQUENCE_HALF = 1 << 23
SEQUENCE_AGE = 128.0
"""After this many seconds any sequence number is newer (RFC 7641 §3.4)."""
REGISTER = b""
DEREGISTER = b"\x01"
"""The values 0 and 1 of the Observe option in a request."""
CANCEL_TIMEOUT = 10.0
OBSERVE_OPTION = frozenset({numbers.OBSERVE})

OnNotification = Callable[[Notification], None]


class Observation(Waiting):
    """One observation; `response` is the first answer, `active` tells whether notifications can come.

    A server has hundreds of thousands of them, so they hold little: not the request, only what it was made of.
    """

    __slots__ = (
        "_answer",
        "_code",
        "_first",
        "_notified_at",
        "_on_notification",
        "_options",
        "_payload",
        "_requester",
        "_sequence",
        "_settings",
        "_task",
        "active",
    )

    def __init__(
        self,
        requester: Requester,
        settings: CoapSettings,
        request: OutgoingRequest,
        on_notification: OnNotification,
    ) -> None:
        super().__init__(request.remote)
        self._requester = requester
        self._settings = settings
        self._code = request.code
        self._options = shared(tuple(without(request.options, OBSERVE_OPTION)))
        self._payload = request.payload
        self._on_notification = on_notification
        self._sequence = 0
        self._notified_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._answer: RawMessage | None = None
        self.active = False
        self._first: asyncio.Future[RawMessage] | None = None

    async def start(self) -> None:
        """Register with the peer and wait for the first answer; failures are raised."""
        self._first = asyncio.get_running_loop().create_future()
        try:
            self._requester.begin(self, self._with_observe(REGISTER))
            answer = await self._first
            challenge = first(answer.options, numbers.ECHO)
            if answer.code == numbers.UNAUTHORIZED and challenge is not None:
                answer = await self._start_again(challenge)
            self._answer = await self._whole(answer)
        except BaseException:
            self.forget()
            raise
        finally:
            self._first = None

    async def _start_again(self, challenge: bytes) -> RawMessage:
        """The peer wants proof that we are here and now: it gets its Echo value back (RFC 9175 §2.3)."""
        self._first = asyncio.get_running_loop().create_future()
        request = self._with_observe(REGISTER)
        self._requester.begin(self, replace(request, options=[*request.options, (numbers.ECHO, challenge)]))
        return await self._first

    @property
    def response(self) -> aiocoap.Message:
        """The first answer, whole, until it is dropped."""
        if self._answer is None:
            raise RuntimeError("there is no first answer, or not any more")
        return self._message(self._answer)

    def drop_response(self) -> None:
        """Hold the first answer no longer."""
        self._answer = None

    @property
    def _request(self) -> OutgoingRequest:
        return OutgoingRequest(self.remote, self._code, [*self._options], self._payload)

    def _with_observe(self, value: bytes) -> OutgoingRequest:
        return OutgoingRequest(self.remote, self._code, [(numbers.OBSERVE, value), *self._options], self._payload)

    def responded(self, message: RawMessage) -> bool:
        """The first answer, or a notification; says whether more may follow."""
        sequence = first_uint(message.options, numbers.OBSERVE)
        goes_on = sequence is not None and message.code < 0x60
        if self._first is not None and not self._first.done():
            self.active = goes_on
            self._accept(sequence or 0)
            self._first.set_result(message)
        elif not goes_on or self._is_fresh(sequence or 0):
            self.active = goes_on
            self._accept(sequence or 0)
            self._deliver(message)
        return self.active

    def _accept(self, sequence: int) -> None:
        self._sequence = sequence
        self._notified_at = asyncio.get_running_loop().time()

    def _is_fresh(self, sequence: int) -> bool:
        """RFC 7641 §3.4: later, or so late that numbers mean nothing; over TCP they never do (RFC 8323 §7.1)."""
        if self.remote.channel.ordered:
            return True
        known = self._sequence
        if asyncio.get_running_loop().time() > self._notified_at + SEQUENCE_AGE:
            return True
        return (known < sequence < known + SEQUENCE_HALF) or known > sequence + SEQUENCE_HALF

    def expect_again(self, message: RawMessage) -> None:
        """A notification was not accepted: it is fresh when its sender repeats it."""
        sequence = first_uint(message.options, numbers.OBSERVE)
        if sequence is not None and sequence == self._sequence:
            self._sequence = (sequence - 1) % (2 * SEQUENCE_HALF)

    def failed(self, error: CoapError) -> None:
        """The peer did not answer, or is gone."""
        self.active = False
        if self._first is not None and not self._first.done():
            self._first.set_exception(error)

    def _deliver(self, message: RawMessage) -> None:
        """Hand over a notification; one that needs further blocks replaces one whose blocks are still coming."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if first(message.options, numbers.BLOCK2) is None:
            self._call(message)
        else:
            self._task = asyncio.get_running_loop().create_task(self._complete_and_call(message))

    async def _complete_and_call(self, message: RawMessage) -> None:
        """Its first part has been acknowledged: what its sender waits for now is to be asked for the others."""
        try:
            self._call(replace(await self._whole(message), receipt=None))
        except CoapError as error:
            logger.warning("A notification could not be completed", remote=self.remote.hostinfo, error=str(error))

    async def _whole(self, message: RawMessage) -> RawMessage:
        transfer = Transfer(self._requester, self._settings, self._request)
        return await transfer.complete(message)

    def _call(self, message: RawMessage) -> None:
        try:
            self._on_notification(Notification(message, self))
        except Exception:
            logger.exception("The receiver of a notification failed", remote=self.remote.hostinfo)

    def _message(self, message: RawMessage) -> aiocoap.Message:
        return to_message(message.code, message.options, message.payload, self.remote, message.token)

    async def cancel(self) -> None:
        """End the observation; the peer is told, and if it does not hear, its next notification is reset."""
        active = self.active
        self.forget()
        if not active:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_response(_response: RawMessage) -> bool:
            on_failure(None)
            return False

        def on_failure(_error: CoapError | None) -> None:
            if not done.done():
                done.set_result(None)

        try:
            waiting = self._requester.start(
                self._with_observe(DEREGISTER),
                on_response,
                on_failure,
                token=self.token,
            )
        except CoapError:
            return
        try:
            await asyncio.wait_for(done, CANCEL_TIMEOUT)
        except TimeoutError:
            logger.info("The peer did not answer the end of an observation", remote=self.remote.hostinfo)
        finally:
            self._requester.stop(waiting)

    def forget(self) -> None:
        """Expect nothing more, without telling the peer."""
        self.active = False
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._requester.stop(self)
