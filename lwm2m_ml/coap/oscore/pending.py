"""Protected requests of ours whose responses may still come, by token (RFC 8613 §8.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap.oscore.errors import ProtectionInvalid
from lwm2m_ml.coap.oscore.security import BareMessage, RequestBinding

if TYPE_CHECKING:
    from lwm2m_ml.coap.oscore.active import ActiveContext


class Pending:
    """One request; `heard` tells whether an authentic response has come."""

    __slots__ = ("_number", "active", "binding", "heard")

    def __init__(self, active: ActiveContext, binding: RequestBinding) -> None:
        self.active = active
        self.binding = binding
        self.heard = False
        self._number = -1

    def open(self, message: BareMessage) -> BareMessage:
        """The response inside, which is fresh; raises ProtectionInvalid."""
        inner, number = self.active.security.open_response(message, self.binding)
        if number is None:
            if self.heard:
                raise ProtectionInvalid("The first response came twice")
        elif number <= self._number:
            raise ProtectionInvalid("A notification came twice or out of order")
        else:
            self._number = number
        self.heard = True
        return inner


class PendingResponses:
    """All of them; tokens are random, so that they need no peer to be told apart."""

    __slots__ = ("_by_token",)

    def __init__(self) -> None:
        self._by_token: dict[bytes, Pending] = {}

    def expect(self, token: bytes, active: ActiveContext, binding: RequestBinding) -> None:
        """A request leaves."""
        self._by_token[token] = Pending(active, binding)

    def find(self, token: bytes) -> Pending | None:
        """The request that a response with this token answers."""
        return self._by_token.get(token)

    def forget(self, token: bytes) -> None:
        """Nobody waits for responses any more."""
        self._by_token.pop(token, None)

    def __len__(self) -> int:
        return len(self._by_token)
