"""A peer of this endpoint: interned, so that the same peer is the same object as long as anyone holds it."""

from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiocoap import interfaces

from lwm2m_ml.coap.deduplication import AnswerRing

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Channel
    from lwm2m_ml.coap.round_trip import RoundTrip

TOKEN_BYTES = 8
TOKENS_DRAWN = 512

SocketAddress = tuple[Any, ...]
"""(host, port) for IPv4, (host, port, flow, scope) for IPv6."""


class Remote(interfaces.EndpointAddress):  # type: ignore[misc]
    """Address, identity and message-layer state of one peer.

    It is compared by identity, never by address: when the peer moves (`CoapEndpoint.rebind`), observations and
    requests move along.
    """

    __slots__ = (
        "answers",
        "backlog",
        "bert_bytes",
        "bytes_in",
        "bytes_out",
        "channel",
        "identity",
        "in_flight",
        "in_progress",
        "knows_q_block",
        "listener",
        "maximum_block_size_exp",
        "maximum_payload_size",
        "message_id",
        "proven",
        "round_trip",
        "scheme",
        "socket_address",
    )

    is_multicast = False
    is_multicast_locally = False

    def __init__(
        self,
        channel: Channel,
        socket_address: SocketAddress,
        *,
        scheme: str,
        answers: AnswerRing,
        block_size_exponent: int,
        maximum_body: int,
        identity: str | None = None,
    ) -> None:
        self.channel = channel
        self.socket_address = socket_address
        self.scheme = scheme
        self.identity = identity
        self.answers = answers
        self.maximum_block_size_exp = block_size_exponent
        self.maximum_payload_size = maximum_body
        """Large: this endpoint cuts bodies into blocks itself, aiocoap above it need not."""
        self.bert_bytes = 0
        """How much payload one message to the peer may carry in several blocks; 0: only one block (RFC 8323 §6)."""
        self.message_id = random.getrandbits(16)
        self.round_trip: RoundTrip | None = None
        self.in_flight = 0
        self.in_progress = 0
        self.knows_q_block: bool | None = None
        self.backlog: deque[Callable[[], None]] | None = None
        self.proven = identity is not None
        self.bytes_in = 0
        self.bytes_out = 0
        self.listener: Callable[[bool, bytes], None] | None = None
        """Hears every message as it travels, and whether it came in, while somebody looks at this peer."""

    @property
    def wire(self) -> Remote:
        """The peer that messages come from and go to."""
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the host without IPv4-in-IPv6 notation."""
        address = self.socket_address
        if len(address) == 2:
            return address
        return address[0].removeprefix("::ffff:"), address[1]

    def next_message_id(self) -> int:
        """Message ids count per peer, from a random start (RFC 7252 §4.4)."""
        self.message_id = (self.message_id + 1) & 0xFFFF
        return self.message_id

    @property
    def hostinfo(self) -> str:
        """The authority of a URI at this peer."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def hostinfo_local(self) -> str:
        """The authority of a URI at this endpoint, as the peer reaches it."""
        host, port = self.channel.local_address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def uri_base(self) -> str:
        """Scheme and authority of the peer."""
        return f"{self.scheme}://{self.hostinfo}"

    @property
    def uri_base_local(self) -> str:
        """Scheme and authority of this endpoint."""
        return f"{self.scheme}://{self.hostinfo_local}"

    @property
    def blockwise_key(self) -> Remote:
        """Blocks are put together per peer."""
        return self

    def is_reached_through(self, remote: Remote) -> bool:
        """Whether this peer is gone when that one is."""
        return self is remote

    @property
    def authenticated_claims(self) -> tuple[str, ...]:
        """What the security layer proved about the peer."""
        return () if self.identity is None else (self.identity,)

    def __repr__(self) -> str:
        who = f" {self.identity}" if self.identity else ""
        return f"<Remote {self.uri_base}{who}>"


_drawn: deque[bytes] = deque()
os.register_at_fork(after_in_child=_drawn.clear)


def random_token() -> bytes:
    """Eight bytes that cannot be guessed (RFC 7252 §5.3.1); the kernel is asked for many at a time."""
    try:
        return _drawn.popleft()
    except IndexError:
        drawn = os.urandom(TOKEN_BYTES * TOKENS_DRAWN)
        _drawn.extend([drawn[start : start + TOKEN_BYTES] for start in range(0, len(drawn), TOKEN_BYTES)])
        return random_token()
