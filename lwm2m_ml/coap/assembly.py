"""Request bodies that arrive in blocks, put together within limits (RFC 7959 §2.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lwm2m_ml.coap import numbers
from lwm2m_ml.coap.options import BERT, Block, Options, encode_uint, first_uint
from lwm2m_ml.coap.responses import Response

if TYPE_CHECKING:
    from lwm2m_ml.coap.fast import FastRequest
    from lwm2m_ml.coap.remote import Remote
    from lwm2m_ml.coap.settings import CoapSettings

NOT_PART_OF_THE_KEY = frozenset(
    {numbers.BLOCK1, numbers.BLOCK2, numbers.OBSERVE, numbers.NO_RESPONSE, numbers.Q_BLOCK1, numbers.Q_BLOCK2}
)

Key = tuple[int, tuple[tuple[int, bytes], ...]]


def operation_key(code: int, options: Options) -> Key:
    """What the blocks of one operation have in common: method and cache-key options (RFC 7959 §2.5, RFC 9175 §3.3)."""
    kept = tuple(
        option for option in options if option[0] not in NOT_PART_OF_THE_KEY and not is_no_cache_key(option[0])
    )
    return code, kept


def is_no_cache_key(number: int) -> bool:
    """Whether the number itself says so (RFC 7252 §5.4.6)."""
    return number & 0x1E == 0x1C


@dataclass(slots=True)
class Assembly:
    """One body so far."""

    touched: float
    body: bytearray = field(default_factory=bytearray)


class RequestBodies:
    """All bodies under assembly: a few per peer, a number of bytes together, none for longer than a lifetime."""

    __slots__ = ("_assemblies", "_bytes", "_settings")

    def __init__(self, settings: CoapSettings) -> None:
        self._settings = settings
        self._assemblies: dict[tuple[Remote, Key], Assembly] = {}
        self._bytes = 0

    def feed(self, request: FastRequest, block: Block, now: float) -> bytes | Response:
        """Take in one block: the whole body when it was the last, else what to answer."""
        payload = request.payload
        key = (request.remote, operation_key(request.code, request.options))
        self._expire(now)
        problem = self._problem(key, block, payload, first_uint(request.options, numbers.SIZE1))
        if problem is not None:
            self._drop(key)
            return problem
        if block.number == 0:
            self._drop(key)
            if not block.more:
                return payload
            self._make_room(request.remote)
        assembly = self._assemblies.pop(key, None) or Assembly(now)
        assembly.touched = now
        assembly.body += payload
        self._assemblies[key] = assembly
        self._bytes += len(payload)
        if block.more:
            exponent = block.size_exponent
            if exponent != BERT:
                exponent = min(exponent, self._settings.block_size_exponent)
            answer = Block(block.number, True, exponent)
            return Response(numbers.CONTINUE, [(numbers.BLOCK1, answer.encode())])
        self._drop(key)
        return bytes(assembly.body)

    def _problem(self, key: tuple[Remote, Key], block: Block, payload: bytes, announced: int | None) -> Response | None:
        settings = self._settings
        if block.more and not block.fits(len(payload)):
            return Response(numbers.BAD_REQUEST, payload=b"The payload is not as long as its block")
        limit = settings.maximum_request_body
        if block.start + len(payload) > limit or (announced is not None and announced > limit):
            return Response(numbers.REQUEST_ENTITY_TOO_LARGE, [(numbers.SIZE1, encode_uint(limit))])
        assembly = self._assemblies.get(key)
        if block.number and (assembly is None or len(assembly.body) != block.start):
            return Response(numbers.REQUEST_ENTITY_INCOMPLETE, payload=b"A block before this one is missing")
        return None

    def _expire(self, now: float) -> None:
        oldest = now - self._settings.assembly_lifetime
        while self._assemblies:
            key = next(iter(self._assemblies))
            if self._assemblies[key].touched >= oldest and self._bytes < self._settings.assembly_bytes:
                return
            self._drop(key)

    def _make_room(self, remote: Remote) -> None:
        mine = [key for key in self._assemblies if key[0] is remote] if self._assemblies else []
        if len(mine) >= self._settings.assemblies_per_remote:
            self._drop(mine[0])

    def _drop(self, key: tuple[Remote, Key]) -> None:
        assembly = self._assemblies.pop(key, None)
        if assembly is not None:
            self._bytes -= len(assembly.body)

    def __len__(self) -> int:
        return len(self._assemblies)
