"""Client: the body of a request in Q-Block1 bursts (RFC 9177 §4.3)."""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.errors import BlockTransferError
from lwm2m_ml.coap.options import Block, Options, encode_uint, first_uint, without
from lwm2m_ml.coap.qblock.conversation import Conversation
from lwm2m_ml.coap.qblock.missing import MISSING_BLOCKS, decode_missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lwm2m_ml.coap.codec import RawMessage
    from lwm2m_ml.coap.requester import OutgoingRequest, Requester
    from lwm2m_ml.coap.settings import CoapSettings

JITTER = 1.5
TAG_BYTES = 4
FIRST_ERROR = 0x80
REQUEST_BLOCK_OPTIONS = frozenset({numbers.BLOCK1, numbers.SIZE1})


class Upload:
    """One body; sends sets, and again what the peer says is missing."""

    __slots__ = ("_conversation", "_exponent", "_next", "_options", "_request")

    def __init__(self, requester: Requester, settings: CoapSettings, request: OutgoingRequest) -> None:
        self._conversation = Conversation(requester, settings, request)
        self._request = request
        self._exponent = min(request.remote.maximum_block_size_exp, settings.block_size_exponent)
        self._next = 0
        self._options: Options = [
            *without(request.options, REQUEST_BLOCK_OPTIONS),
            (numbers.REQUEST_TAG, secrets.token_bytes(TAG_BYTES)),
            (numbers.SIZE1, encode_uint(len(request.payload))),
        ]

    @property
    def _blocks(self) -> int:
        return -(-len(self._request.payload) >> (self._exponent + 4))

    async def run(self) -> RawMessage | None:
        """The response; None when the peer does not know Q-Block. Raises subclasses of CoapError."""
        try:
            self._send_set()
            while True:
                message = await self._conversation.next(self._timeout)
                if message is None:
                    self._after_silence()
                    continue
                final = self._take(message)
                if final is not None:
                    return None if final.code == numbers.BAD_OPTION else final
        finally:
            self._conversation.end()

    @property
    def _timeout(self) -> float:
        settings = self._conversation.settings
        if self._next < self._blocks:
            return settings.q_block_timeout * random.uniform(1.0, JITTER)
        return settings.q_block_receive_timeout * JITTER

    def _after_silence(self) -> None:
        """The next set is due without being asked for; after the last, ask for the answer by repeating its end."""
        if self._next < self._blocks:
            self._send_set()
            return
        self._conversation.waited_in_vain()
        self._send(self._blocks - 1, confirmable=True)

    def _send_set(self) -> None:
        end = min(self._next + self._conversation.settings.q_block_set, self._blocks)
        # The first block of all is confirmable until the peer has shown that it knows Q-Block: 4.02 is only sent then.
        probe = self._next == 0 and self._request.remote.knows_q_block is None
        for number in range(self._next, end):
            self._send(number, confirmable=probe and number == 0)
        self._next = end

    def _send_again(self, missing: Iterable[int]) -> None:
        for number in missing:
            if number < self._blocks:
                self._send(number, confirmable=False)
                self._next = max(self._next, number + 1)

    def _send(self, number: int, *, confirmable: bool) -> None:
        size = 1 << (self._exponent + 4)
        block = Block(number, number + 1 < self._blocks, self._exponent)
        payload = self._request.payload[number * size : (number + 1) * size]
        options = [*self._options, (numbers.Q_BLOCK1, block.encode())]
        self._conversation.send(options, payload, confirmable=confirmable)

    def _take(self, message: RawMessage) -> RawMessage | None:
        """What the peer says; the response when it is the last word."""
        remote = self._request.remote
        if self._conversation.is_challenge(message):
            self._next = 0
            self._send_set()
            return None
        if message.code == numbers.BAD_OPTION:
            remote.knows_q_block = False
            return message
        remote.knows_q_block = True
        self._conversation.progressed()
        if message.code == numbers.CONTINUE:
            if self._next < self._blocks:
                self._send_set()
            return None
        is_list = first_uint(message.options, numbers.CONTENT_FORMAT) == MISSING_BLOCKS
        if message.code == numbers.REQUEST_ENTITY_INCOMPLETE and is_list:
            self._send_again(decode_missing(message.payload, self._conversation.settings.q_block_set))
            return None
        if message.code < FIRST_ERROR and self._next < self._blocks:
            raise BlockTransferError(f"{remote.hostinfo} took a part of the body for the whole")
        return message
