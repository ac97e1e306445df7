"""Vectors with a length in front, as TLS's presentation language has them (RFC 5246 §4.3)."""

from __future__ import annotations

from collections.abc import Iterator

from lwm2m_ml.coap.dtls12.errors import MessageError


class Reader:
    """Reads a message from front to back; raises MessageError where it is cut off."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next so many bytes."""
        end = self._at + count
        if end > len(self._data):
            raise MessageError("a message is cut off")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """An unsigned integer of so many bytes."""
        return int.from_bytes(self.take(size))

    def vector(self, length_bytes: int, *, least: int = 0) -> bytes:
        """A vector with a length of so many bytes in front."""
        begin = self._at + length_bytes
        end = begin + int.from_bytes(self._data[self._at : begin])
        if end > len(self._data):
            raise MessageError("a message is cut off")
        content = self._data[begin:end]
        self._at = end
        if len(content) < least:
            raise MessageError("a vector is shorter than it may be")
        return content

    @property
    def rest(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def end(self) -> None:
        """Raise MessageError unless everything was read."""
        if self.rest:
            raise MessageError("a message is longer than what it says")


def numbers(vector: bytes, size: int) -> list[int]:
    """The unsigned integers in a vector of them."""
    if len(vector) % size:
        raise MessageError("a list does not end with its last element")
    return [int.from_bytes(vector[start : start + size]) for start in range(0, len(vector), size)]


def vectors(content: bytes, length_bytes: int) -> Iterator[bytes]:
    """The vectors in a vector of them."""
    reader = Reader(content)
    while reader.rest:
        yield reader.vector(length_bytes, least=1)


def vector(content: bytes, length_bytes: int) -> bytes:
    """A vector with its length in front."""
    return len(content).to_bytes(length_bytes) + content
