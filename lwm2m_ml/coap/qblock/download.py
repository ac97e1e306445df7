"""Client: the body of a response in Q-Block2 bursts (RFC 9177 §4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.errors import BlockTransferError
from lwm2m_ml.coap.options import Block, Options, decode_block, first, first_uint, without
from lwm2m_ml.coap.qblock.collector import Collector
from lwm2m_ml.coap.qblock.conversation import Conversation

if TYPE_CHECKING:
    from lwm2m_ml.coap.requester import OutgoingRequest, Requester
    from lwm2m_ml.coap.settings import CoapSettings

RESTARTS = 3
BLOCK_OPTIONS = frozenset({numbers.Q_BLOCK2, numbers.SIZE2})


class Download:
    """One body; asks for what is missing until it is whole."""

    __slots__ = ("_collector", "_conversation", "_etag", "_exponent", "_head", "_reported", "_request", "_restarts")

    def __init__(self, requester: Requester, settings: CoapSettings, request: OutgoingRequest) -> None:
        self._conversation = Conversation(requester, settings, request)
        self._request = request
        self._exponent = min(request.remote.maximum_block_size_exp, settings.block_size_exponent)
        self._restarts = 0
        self._begin_collecting()

    def _begin_collecting(self) -> None:
        settings = self._conversation.settings
        self._collector = Collector(settings.maximum_response_body, settings.q_block_set)
        self._etag: bytes | None = None
        self._head: RawMessage | None = None
        self._reported = 0

    async def run(self) -> RawMessage | None:
        """The whole response; None when the peer does not know Q-Block. Raises subclasses of CoapError."""
        try:
            self._ask([Block(0, True, self._exponent)], confirmable=True)
            while True:
                message = await self._conversation.next(self._timeout)
                if message is None:
                    self._conversation.waited_in_vain()
                    wanted = [Block(number, False, self._exponent) for number in self._collector.missing()]
                    self._ask(wanted, confirmable=True)
                    continue
                done = self._take(message)
                if done is not None:
                    return None if done.code == numbers.BAD_OPTION else done
        finally:
            self._conversation.end()

    @property
    def _timeout(self) -> float | None:
        """The first answer has the message layer's time; later ones come in bursts."""
        return None if self._head is None else self._conversation.settings.q_block_receive_timeout

    def _ask(self, wanted: list[Block], *, confirmable: bool) -> None:
        blocks: Options = [(numbers.Q_BLOCK2, block.encode()) for block in wanted]
        self._conversation.send([*self._request.options, *blocks], self._request.payload, confirmable=confirmable)

    def _take(self, message: RawMessage) -> RawMessage | None:
        """Take in one response; the whole one when this was the last that was missing."""
        value = first(message.options, numbers.Q_BLOCK2)
        if value is None:
            if self._conversation.is_challenge(message):
                self._ask([Block(0, True, self._exponent)], confirmable=True)
                return None
            if message.code == numbers.BAD_OPTION or first(message.options, numbers.BLOCK2) is not None:
                self._request.remote.knows_q_block = False
            return message
        self._request.remote.knows_q_block = True
        etag = first(message.options, numbers.ETAG)
        if self._head is not None and etag != self._etag:
            self._start_over()
            return None
        if self._head is None:
            self._head, self._etag = message, etag
        return self._add(decode_block(numbers.Q_BLOCK2, value), message)

    def _add(self, block: Block, message: RawMessage) -> RawMessage | None:
        collector = self._collector
        before = collector.next_missing, collector.received_bytes
        self._exponent = block.size_exponent
        size = first_uint(message.options, numbers.SIZE2)
        if size is not None:
            collector.announce(size, block.size_exponent)
        collector.add(block, message.payload)
        if collector.received_bytes > before[1]:
            self._conversation.progressed()
        if collector.is_complete:
            return self._whole()
        if collector.next_missing > before[0] and collector.is_at_end_of_set:
            self._ask([Block(collector.next_missing, True, self._exponent)], confirmable=False)
        elif collector.has_gap_before_this_set and collector.start_of_this_set > self._reported:
            # A later set has begun, so what is missing from the earlier ones is lost (§4.4).
            self._reported = collector.start_of_this_set
            wanted = [Block(number, False, self._exponent) for number in collector.missing_before_this_set()]
            self._ask(wanted, confirmable=False)
        return None

    def _start_over(self) -> None:
        """The content changed while it came."""
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise BlockTransferError(f"The content at {self._request.remote.hostinfo} changes faster than it comes")
        self._conversation.end()
        self._begin_collecting()
        self._ask([Block(0, True, self._exponent)], confirmable=True)

    def _whole(self) -> RawMessage:
        head = self._head
        assert head is not None  # noqa: S101  # there is one since the first block
        options = without(head.options, BLOCK_OPTIONS)
        return RawMessage(head.type, head.code, head.message_id, head.token, options, self._collector.body())
