"""No address gets much more than it sent until it has proved that it is one (RFC 9175 §2.4, RFC 7252 §11.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.blocks import serve_block
from lwm2m_ml.coap.echo import EchoChallenges
from lwm2m_ml.coap.options import first, without
from lwm2m_ml.coap.responses import Response

if TYPE_CHECKING:
    from lwm2m_ml.coap.fast import FastRequest
    from lwm2m_ml.coap.remote import Remote

HEADER_AND_TOKEN = 12
SMALLEST_EXPONENT = 0
SIZE = frozenset({numbers.SIZE2})
FIRST_ERROR = 0x80


class AmplificationGuard:
    """Makes answers to unproven addresses small enough, and tells them how to prove themselves.

    A body becomes small blocks, so that a client that does not know Echo gets it too, only slower; they carry the
    challenge if there is room. What does not fit even so is answered 4.01 with the challenge.
    """

    __slots__ = ("_challenges", "_factor")

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self._challenges = EchoChallenges()

    def hear(self, request: FastRequest, now: float) -> None:
        """Take in the Echo value of a request."""
        value = first(request.options, numbers.ECHO)
        if value is not None and self._challenges.proves(value, request.remote.address, now):
            request.remote.proven = True

    def allows(self, answer_bytes: int, request_bytes: int) -> bool:
        """Whether an answer of this many bytes after the token is small enough."""
        return HEADER_AND_TOKEN + answer_bytes <= self._factor * request_bytes

    def reduce(self, request: FastRequest, response: Response, size: int, now: float) -> Response:
        """An answer that may be sent to an unproven address; `response` holds the whole body."""
        if response.code >= FIRST_ERROR:
            return Response(response.code, response.options)
        challenge = self._challenge(request.remote, now)
        requested = request.block2
        largest = min(request.remote.maximum_block_size_exp, 6 if requested is None else requested.size_exponent)
        for added in ([challenge], []):
            for exponent in range(largest, SMALLEST_EXPONENT - 1, -1):
                part = serve_block(response.code, response.options, response.payload, requested, exponent)
                part.options = [*without(part.options, SIZE), *added]
                if self.allows(len(part.tail()), size):
                    return part
        return self.demand_proof(request.remote, now) if request.code == numbers.GET else Response(response.code)

    def demand_proof(self, remote: Remote, now: float) -> Response:
        """Nothing but the challenge."""
        return Response(numbers.UNAUTHORIZED, [self._challenge(remote, now)])

    def _challenge(self, remote: Remote, now: float) -> tuple[int, bytes]:
        return numbers.ECHO, self._challenges.challenge(remote.address, now)
