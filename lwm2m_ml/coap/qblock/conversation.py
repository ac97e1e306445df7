"""Client: several requests under way at once that belong to one transfer, and the time-outs between them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.errors import CoapError, RequestTimeout
from lwm2m_ml.coap.options import Options, first

if TYPE_CHECKING:
    from lwm2m_ml.coap.codec import RawMessage
    from lwm2m_ml.coap.requester import OutgoingRequest, Requester, Waiting
    from lwm2m_ml.coap.settings import CoapSettings


class Conversation:
    """Every request has its own token; whatever any of them brings comes out of `next`."""

    __slots__ = ("_echo", "_failures", "_messages", "_request", "_requester", "_waiting", "settings")

    def __init__(self, requester: Requester, settings: CoapSettings, request: OutgoingRequest) -> None:
        self._requester = requester
        self.settings = settings
        self._request = request
        self._waiting: list[Waiting] = []
        self._messages: asyncio.Queue[RawMessage | CoapError] = asyncio.Queue()
        self._failures = 0
        self._echo: Options = []

    def send(self, options: Options, payload: bytes, *, confirmable: bool) -> None:
        """One more request; of non-confirmable ones only those of the last two sets are still listened to."""
        most = 2 * self.settings.q_block_set
        while len(self._waiting) >= most:
            self._requester.stop(self._waiting.pop(0))
        request = replace(self._request, options=[*options, *self._echo], payload=payload, confirmable=confirmable)
        self._waiting.append(self._requester.start(request, self._on_response, self._on_failure))

    def _on_response(self, message: RawMessage) -> bool:
        self._messages.put_nowait(message)
        return True

    def _on_failure(self, error: CoapError) -> None:
        self._messages.put_nowait(error)

    async def next(self, timeout: float | None) -> RawMessage | None:  # noqa: ASYNC109
        """The next response; None when there is none in time. Raises what a confirmable request failed with."""
        try:
            async with asyncio.timeout(timeout):
                message = await self._messages.get()
        except TimeoutError:
            return None
        if isinstance(message, CoapError):
            raise message
        return message

    def is_challenge(self, message: RawMessage) -> bool:
        """Whether the peer wants proof of our address first; the next requests carry it (RFC 9175 §2.3)."""
        challenge = first(message.options, numbers.ECHO)
        if message.code != numbers.UNAUTHORIZED or challenge is None or self._echo:
            return False
        self._echo = [(numbers.ECHO, challenge)]
        return True

    def progressed(self) -> None:
        """The peer is there."""
        self._failures = 0

    def waited_in_vain(self) -> None:
        """Another time-out; raises RequestTimeout when there were too many in a row (NON_MAX_RETRANSMIT)."""
        self._failures += 1
        if self._failures > self.settings.q_block_retransmit:
            raise RequestTimeout(f"{self._request.remote.hostinfo} does not answer in the middle of a transfer")

    def end(self) -> None:
        """Listen to nothing more."""
        for waiting in self._waiting:
            self._requester.stop(waiting)
        self._waiting.clear()
