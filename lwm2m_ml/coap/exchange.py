"""A message of ours on its way over an unreliable transport (RFC 7252 §4.2, §4.3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lwm2m_ml.coap.channel import Outcome
    from lwm2m_ml.coap.message_layer import MessageLayer
    from lwm2m_ml.coap.remote import Remote


class Exchange:
    """One message id, its datagram and its timer; the message layer drives it."""

    __slots__ = (
        "confirmable",
        "datagram",
        "layer",
        "message_id",
        "outcome",
        "remote",
        "retransmissions",
        "sent_at",
        "stopped",
        "timeout",
        "timer",
    )

    def __init__(self, layer: MessageLayer, remote: Remote, confirmable: bool, outcome: Outcome) -> None:
        self.layer = layer
        self.remote = remote
        self.confirmable = confirmable
        self.outcome = outcome
        self.message_id = -1
        self.datagram = b""
        self.retransmissions = 0
        self.timeout = 0.0
        self.sent_at = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.stopped = False

    def stop(self) -> None:
        """Nobody waits for it any more."""
        if not self.stopped:
            self.layer.stop(self)
