"""Synchronous handlers on the byte-level path: for requests that come by the ten thousand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import EllipsisType
from typing import TYPE_CHECKING, Protocol

import structlog

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.codec import encode_ordered
from lwm2m_ml.coap.errors import UnusableOption
from lwm2m_ml.coap.options import Block, Option, Options, encode_uint, first, first_block, first_uint

if TYPE_CHECKING:
    from lwm2m_ml.coap.remote import Remote

RETRY_AFTER = 5
"""Max-Age of 5.03 in seconds."""

logger = structlog.get_logger(__name__)


class FastRequest:
    """A request whose options are decoded when they are asked for."""

    __slots__ = (
        "_block2",
        "block1",
        "code",
        "in_q_blocks",
        "options",
        "path",
        "payload",
        "remote",
        "whole_answer",
    )

    def __init__(self, remote: Remote, code: int, options: Options, payload: bytes) -> None:
        self.remote = remote
        self.code = code
        self.options = options
        self.payload = payload
        self.block1: Block | None = None
        """The last block of a body that arrived in blocks; `payload` is the whole body."""
        self._block2: Block | EllipsisType | None = ...
        self.in_q_blocks = False
        """Part of a transfer that is not answered block by block (RFC 9177)."""
        self.whole_answer = False
        """The answer is cut somewhere else."""
        try:
            self.path = tuple([value.decode() for number, value in options if number == 11])
        except UnicodeDecodeError:
            raise UnusableOption(numbers.URI_PATH, "is not UTF-8") from None

    @property
    def is_protected(self) -> bool:
        """Whether the request itself is inside, encrypted (RFC 8613 §2)."""
        return first(self.options, numbers.OSCORE) is not None

    @property
    def query(self) -> tuple[str, ...]:
        """The Uri-Query options."""
        try:
            return tuple([value.decode() for number, value in self.options if number == 15])
        except UnicodeDecodeError:
            raise UnusableOption(numbers.URI_QUERY, "is not UTF-8") from None

    @property
    def content_format(self) -> int | None:
        """What the payload is."""
        return first_uint(self.options, numbers.CONTENT_FORMAT)

    @property
    def accept(self) -> int | None:
        """The content format that the peer wants."""
        return first_uint(self.options, numbers.ACCEPT)

    @property
    def observe(self) -> int | None:
        """0 to start, 1 to stop an observation (RFC 7641 §2)."""
        return first_uint(self.options, numbers.OBSERVE)

    @property
    def block2(self) -> Block | None:
        """The block of the answer that the peer asks for; raises UnusableOption, once: that must be told, too."""
        if isinstance(self._block2, EllipsisType):
            self._block2 = None
            self._block2 = first_block(self.options, numbers.BLOCK2, bert=self.remote.bert_bytes > 0)
        return self._block2

    @property
    def etags(self) -> tuple[bytes, ...]:
        """All entity tags that the peer has."""
        return tuple([value for number, value in self.options if number == numbers.ETAG])


@dataclass(slots=True, init=False)
class FastResponse:
    """An answer; a payload larger than a block is served in blocks by the endpoint, whichever block is asked for.

    The handler of a large payload should give an `etag` that changes with the content, and return the same bytes
    object each time: nothing is copied but the block.
    """

    code: int
    payload: bytes
    content_format: int | None
    location_path: tuple[str, ...]
    etag: bytes | None
    block2: Block | None
    """Set only by a handler that cuts the blocks itself."""
    block1: Block | None
    max_age: int | None
    size1: int | None
    size2: int | None
    echo: bytes | None
    encoded: bytes | None = field(repr=False, compare=False)
    """Options and payload as they follow the token, from who has them ready; they say what the other fields say."""

    def __init__(  # written out: one that `dataclass` makes is never compiled
        self,
        code: int,
        payload: bytes = b"",
        *,
        content_format: int | None = None,
        location_path: tuple[str, ...] = (),
        etag: bytes | None = None,
        block2: Block | None = None,
        block1: Block | None = None,
        max_age: int | None = None,
        size1: int | None = None,
        size2: int | None = None,
        echo: bytes | None = None,
        encoded: bytes | None = None,
    ) -> None:
        self.code = code
        self.payload = payload
        self.content_format = content_format
        self.location_path = location_path
        self.etag = etag
        self.block2 = block2
        self.block1 = block1
        self.max_age = max_age
        self.size1 = size1
        self.size2 = size2
        self.echo = echo
        self.encoded = encoded

    def options(self) -> Options:
        """The options in the order of their numbers."""
        options: list[Option] = []
        add = options.append
        if self.etag is not None:
            add((numbers.ETAG, self.etag))
        for segment in self.location_path:
            add((numbers.LOCATION_PATH, segment.encode()))
        if self.content_format is not None:
            add((numbers.CONTENT_FORMAT, encode_uint(self.content_format)))
        if self.max_age is not None:
            add((numbers.MAX_AGE, encode_uint(self.max_age)))
        if self.block2 is not None:
            add((numbers.BLOCK2, self.block2.encode()))
        if self.block1 is not None:
            add((numbers.BLOCK1, self.block1.encode()))
        if self.size2 is not None:
            add((numbers.SIZE2, encode_uint(self.size2)))
        if self.size1 is not None:
            add((numbers.SIZE1, encode_uint(self.size1)))
        if self.echo is not None:
            add((numbers.ECHO, self.echo))
        return options

    def tail(self) -> bytes:
        """Options and payload as they follow the token; encoded once, so change nothing after the first call."""
        if self.encoded is None:
            options = encode_ordered(self.options())
            self.encoded = b"%b\xff%b" % (options, self.payload) if self.payload else options
        return self.encoded


class PendingResponse:
    """An answer that a handler gives later; whoever waits for it is called at once, without a task or a future."""

    __slots__ = ("_receiver", "_response")

    def __init__(self) -> None:
        self._receiver: Callable[[FastResponse], None] | None = None
        self._response: FastResponse | None = None

    @classmethod
    def of(cls, task: asyncio.Future[FastResponse]) -> PendingResponse:
        """The answer that a task will return: 5.00 when it fails, 5.03 when it is cancelled."""
        pending = cls()
        task.add_done_callback(lambda done: pending.give(_result(done)))
        return pending

    @property
    def given(self) -> bool:
        """Whether the answer is there."""
        return self._response is not None

    def give(self, response: FastResponse) -> None:
        """Answer."""
        self._response = response
        if self._receiver is not None:
            self._receiver(response)

    def then(self, receiver: Callable[[FastResponse], None]) -> None:
        """Call `receiver` with the answer; there is only one."""
        self._receiver = receiver
        if self._response is not None:
            receiver(self._response)


def _result(task: asyncio.Future[FastResponse]) -> FastResponse:
    if task.cancelled():
        return FastResponse(numbers.SERVICE_UNAVAILABLE, max_age=RETRY_AFTER)
    error = task.exception()
    if error is None:
        return task.result()
    logger.error("A request handler failed", exc_info=error)
    return FastResponse(numbers.INTERNAL_SERVER_ERROR)


Encoded = tuple[int, bytes]
"""Code, and what follows the token, as it goes over the wire; code 0 when the peer wants no answer."""
FastAnswer = FastResponse | Encoded | PendingResponse | None
FastHandler = Callable[[FastRequest], FastAnswer]
"""Answers a request, now or later; None leaves it to the slow path. What is encoded already is not cut into blocks."""


class HandlerTable(Protocol):
    """Where handlers are added."""

    def add(self, code: int, first_segment: str, handler: FastHandler) -> None:
        """Let this handler answer requests with this code below this first path segment."""


class FastHandlers:
    """Handlers by request code and first path segment."""

    __slots__ = ("_handlers",)

    def __init__(self) -> None:
        self._handlers: dict[tuple[int, str], FastHandler] = {}

    def add(self, code: int, first_segment: str, handler: FastHandler) -> None:
        """Let this handler answer requests with this code below this first path segment."""
        self._handlers[int(code), first_segment] = handler

    def get(self, code: int, path: tuple[str, ...]) -> FastHandler | None:
        """The handler for a request, if there is one."""
        return self._handlers.get((code, path[0] if path else ""))
