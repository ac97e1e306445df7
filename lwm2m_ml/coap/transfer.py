"""One request with bodies of any size, block by block in both directions (RFC 7959 §2, §3.3)."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.errors import BlockTransferError, UnusableOption
from lwm2m_ml.coap.options import BERT, Block, Options, encode_uint, first, first_block, unit_bits, without

if TYPE_CHECKING:
    from lwm2m_ml.coap.requester import OutgoingRequest, Requester
    from lwm2m_ml.coap.settings import CoapSettings

RESTARTS = 3
"""How often a transfer begins again because the peer lost blocks or the content changed."""
REQUEST_BLOCK_OPTIONS = frozenset({numbers.BLOCK1, numbers.SIZE1})
FOLLOW_UP_WITHOUT = frozenset({numbers.BLOCK1, numbers.BLOCK2, numbers.SIZE1, numbers.OBSERVE})
RESPONSE_BLOCK_OPTIONS = frozenset({numbers.BLOCK1, numbers.BLOCK2})
OBSERVE_OPTION = frozenset({numbers.OBSERVE})
REQUEST_TAG_BYTES = 4


class Transfer:
    """The blocks of one request and of its response."""

    __slots__ = ("_echo", "_request", "_requester", "_settings", "_tag")

    def __init__(self, requester: Requester, settings: CoapSettings, request: OutgoingRequest) -> None:
        self._requester = requester
        self._settings = settings
        self._request = request
        self._echo: bytes | None = None
        self._tag: Options = []

    @property
    def _bert(self) -> bool:
        """Whether the peer takes several blocks in one message (RFC 8323 §6)."""
        return self._request.remote.bert_bytes > 0

    @property
    def _largest_exponent(self) -> int:
        return (
            BERT if self._bert else min(self._request.remote.maximum_block_size_exp, self._settings.block_size_exponent)
        )

    def _most(self, exponent: int) -> int:
        """Bytes of a body in one message."""
        return self._request.remote.bert_bytes if exponent == BERT else 1 << unit_bits(exponent)

    @property
    def _peer(self) -> str:
        return self._request.remote.hostinfo

    async def run(self) -> RawMessage:
        """Send the request and collect the whole response."""
        if any(number in RESPONSE_BLOCK_OPTIONS for number, _ in self._request.options):
            return await self._exchange(self._request.options, self._request.payload)
        if self._settings.q_block_requests:
            response = await self._in_bursts()
            if response is not None:
                return response
        return await self.complete(await self._send_body())

    async def _in_bursts(self) -> RawMessage | None:
        """The same by RFC 9177; None when the peer, or the way to it, does not know that."""
        request = self._request
        if request.remote.channel.ordered or request.remote.knows_q_block is False:
            return None
        exponent = min(request.remote.maximum_block_size_exp, self._settings.block_size_exponent)
        if len(request.payload) > 1 << (exponent + 4):
            from lwm2m_ml.coap.qblock.upload import Upload  # noqa: PLC0415  # only loaded when it is used

            response = await Upload(self._requester, self._settings, request).run()
            return None if response is None else await self.complete(response)
        if request.code not in numbers.SAFE_METHODS:
            return None
        from lwm2m_ml.coap.qblock.download import Download  # noqa: PLC0415  # only loaded when it is used

        response = await Download(self._requester, self._settings, request).run()
        return None if response is None else await self.complete(response)

    async def complete(self, response: RawMessage) -> RawMessage:
        """Fetch the blocks that follow a first one, beginning again when the content changes on the way."""
        for _ in range(RESTARTS):
            whole = await self._collect(response)
            if whole is not None:
                return whole
            response = await self._exchange(without(self._request.options, OBSERVE_OPTION), self._request.payload)
        raise BlockTransferError(f"The content at {self._peer} changes faster than it can be fetched")

    async def _exchange(self, options: Options, payload: bytes) -> RawMessage:
        """One exchange; a peer that wants proof of our address gets its Echo value back (RFC 9175 §2.3)."""
        response = await self._exchange_once(options, payload)
        challenge = first(response.options, numbers.ECHO)
        if challenge is None or challenge == self._echo:
            return response
        self._echo = challenge
        if response.code == numbers.UNAUTHORIZED or self._is_smaller_than_asked(options, response):
            return await self._exchange_once(options, payload)
        return response

    def _is_smaller_than_asked(self, options: Options, response: RawMessage) -> bool:
        """A block that was made small because our address was unproven: with proof it gets larger."""
        block = self._block2(response)
        if block is None or self._request.code not in numbers.SAFE_METHODS:
            return False
        asked = first_block(options, numbers.BLOCK2, bert=True)
        return block.number == 0 if asked is None else block.size_exponent < asked.size_exponent

    async def _exchange_once(self, options: Options, payload: bytes) -> RawMessage:
        if self._echo is not None:
            options = [*without(options, frozenset({numbers.ECHO})), (numbers.ECHO, self._echo)]
        request = self._request
        if options is not request.options or payload is not request.payload:
            request = replace(request, options=options, payload=payload)
        return await self._requester.exchange(request)

    # The request body (Block1)

    async def _send_body(self) -> RawMessage:
        exponent = self._largest_exponent
        if len(self._request.payload) <= self._most(exponent):
            response = await self._exchange(self._request.options, self._request.payload)
            smaller = _smaller_size_wanted(response, exponent)
            if response.code != numbers.REQUEST_ENTITY_TOO_LARGE or smaller is None:
                return response
            exponent = smaller
        for _ in range(RESTARTS):
            response, exponent = await self._send_blocks(exponent)
            if response.code != numbers.REQUEST_ENTITY_INCOMPLETE:
                break
        return response

    async def _send_blocks(self, exponent: int) -> tuple[RawMessage, int]:
        """All blocks in order; the response, and the block size that the peer likes."""
        self._tag = [(numbers.REQUEST_TAG, secrets.token_bytes(REQUEST_TAG_BYTES))]
        options = [*without(self._request.options, REQUEST_BLOCK_OPTIONS), *self._tag]
        offset = 0
        while True:
            size = self._most(exponent)
            more = offset + size < len(self._request.payload)
            block = Block(offset >> unit_bits(exponent), more, exponent)
            head = [(numbers.BLOCK1, block.encode())]
            if offset == 0:
                head.append((numbers.SIZE1, encode_uint(len(self._request.payload))))
            response = await self._exchange(options + head, self._request.payload[offset : offset + size])
            smaller = _smaller_size_wanted(response, exponent)
            if smaller is not None and response.code == numbers.REQUEST_ENTITY_TOO_LARGE and offset == 0:
                exponent = smaller
                continue
            if not more or response.code != numbers.CONTINUE:
                return self._checked_end(response, more), exponent
            offset += size
            exponent = exponent if smaller is None else smaller

    def _checked_end(self, response: RawMessage, more: bool) -> RawMessage:
        if response.code == numbers.CONTINUE and not more:
            raise BlockTransferError(f"{self._peer} asks for more blocks than there are")
        if response.code < 0x60 and more:
            raise BlockTransferError(f"{self._peer} took a part of the body for the whole")
        return response

    # The response body (Block2)

    async def _collect(self, response: RawMessage) -> RawMessage | None:
        """The whole body from its first block on; None when the content changed meanwhile."""
        block = self._block2(response)
        if block is None or (block.number == 0 and not block.more):
            return _whole(response, response.payload)
        if block.number != 0 or not block.fits(len(response.payload)):
            raise BlockTransferError(f"{self._peer} began a block-wise answer with another block")
        etag = first(response.options, numbers.ETAG)
        body = bytearray(response.payload)
        options = [*without(self._request.options, FOLLOW_UP_WITHOUT), *self._tag]
        exponent = block.size_exponent
        while block.more:
            wanted = Block(len(body) >> unit_bits(exponent), False, exponent)
            part = await self._exchange([*options, (numbers.BLOCK2, wanted.encode())], b"")
            if part.code != response.code:
                return self._refused(part)
            if first(part.options, numbers.ETAG) != etag:
                return None
            block = self._checked_block(part, len(body))
            exponent = min(exponent, block.size_exponent)
            body += part.payload
            if len(body) > self._settings.maximum_response_body:
                raise BlockTransferError(f"The answer is larger than {self._settings.maximum_response_body:,} bytes")
        return _whole(response, bytes(body))

    def _refused(self, part: RawMessage) -> RawMessage | None:
        if part.code == numbers.REQUEST_ENTITY_INCOMPLETE:
            return None
        return _whole(part, part.payload)

    def _checked_block(self, part: RawMessage, offset: int) -> Block:
        block = self._block2(part)
        if block is None or block.start != offset:
            raise BlockTransferError(f"{self._peer} answered with another block than the one asked for")
        if block.more and not block.fits(len(part.payload)):
            raise BlockTransferError(f"{self._peer} sent a block that is not as long as it says")
        if len(part.payload) > block.size and block.size_exponent != BERT:
            raise BlockTransferError(f"{self._peer} sent a block that is not as long as it says")
        return block

    def _block2(self, message: RawMessage) -> Block | None:
        try:
            return first_block(message.options, numbers.BLOCK2, bert=self._bert)
        except UnusableOption as error:
            raise BlockTransferError(error.message) from error


def _smaller_size_wanted(response: RawMessage, exponent: int) -> int | None:
    value = first(response.options, numbers.BLOCK1)
    if value is None:
        return None
    wanted = int.from_bytes(value, "big") & 7
    return wanted if wanted < exponent else None


def _whole(response: RawMessage, body: bytes) -> RawMessage:
    options = without(response.options, RESPONSE_BLOCK_OPTIONS)
    return RawMessage(response.type, response.code, response.message_id, response.token, options, body)
