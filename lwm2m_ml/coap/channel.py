"""What every transport offers to the layers above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lwm2m_ml.coap.errors import CoapError
    from lwm2m_ml.coap.remote import Remote

Outcome = Callable[["CoapError | None"], None]
"""Called once: with None when the peer has the message, with the error when it has not."""


class Transmission(Protocol):
    """A message on its way to the peer."""

    def stop(self) -> None:
        """Nobody waits for it any more: do not send it again, do not tell the outcome."""


class Channel(Protocol):
    """Carries requests, responses and notifications to remotes."""

    ordered: bool
    """Whether messages arrive once and in order."""

    @property
    def local_address(self) -> tuple[str, int]:
        """Host and port on this side."""

    def transmit(
        self, remote: Remote, code: int, token: bytes, tail: bytes, *, confirmable: bool, outcome: Outcome
    ) -> Transmission:
        """Send a message of our own: a request or a notification."""


class Incoming(Protocol):
    """A request from a peer that waits for its answer."""

    remote: Remote
    token: bytes
    size: int
    """Bytes of the request on the wire."""

    def reply(self, code: int, tail: bytes) -> None:
        """Send the answer, once; code 0 means that the peer wants none."""

    def notify(self, code: int, tail: bytes, *, confirmable: bool, outcome: Outcome) -> Transmission:
        """Send a further response under the token of the request (RFC 7641 §4.2)."""
