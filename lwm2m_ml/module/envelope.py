"""The SUIT envelope (draft-ietf-suit-manifest-34) around a manifest: written at once, read as it arrives.

Elements come in one order, which is also that of deterministic CBOR: authentication, manifest, descriptor, provenance,
block table, payload. A device can so refuse a package before the first byte of its payload.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from lwm2m_ml.module import cbor, cose
from lwm2m_ml.module.errors import MalformedCborError
from lwm2m_ml.module.manifest import DIGEST_BYTES, MAXIMUM_MANIFEST_BYTES, PAYLOAD_URI, Label, suit_digest
from lwm2m_ml.module.signing import SigningKey, VerificationKey

ENVELOPE_TAG = b"\xd8\x6b"  # tag 107
MAXIMUM_ELEMENT_BYTES: Mapping[Label, int] = {
    Label.AUTHENTICATION: 256,
    Label.MANIFEST: MAXIMUM_MANIFEST_BYTES,
    Label.DESCRIPTOR: 65536,
    Label.PROVENANCE: 65536,
    Label.BLOCK_TABLE: 65536,
}
_KEYS: Mapping[bytes, Label | None] = {
    **{cbor.encode(int(label)): label for label in Label},
    cbor.encode(PAYLOAD_URI): None,
}
_MAP_MAJOR_TYPE, _BYTES_MAJOR_TYPE = 5, 2
_LONGEST_HEAD = 9


@dataclass(frozen=True, slots=True)
class Element:
    """A whole element but the payload. `content` is what its byte string holds."""

    label: Label
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PayloadBegins:
    """The payload follows: `size` bytes, says its head, from `offset` in the package on."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class PayloadPiece:
    """The next bytes of the payload."""

    data: bytes = field(repr=False)


Event = Element | PayloadBegins | PayloadPiece


def authenticate(manifest: bytes, key: SigningKey) -> bytes:
    """Return the authentication wrapper: the manifest's digest, and a COSE_Sign1 over that."""
    digest = manifest_digest(manifest)
    return cbor.encode([digest, cose.sign1(digest, key)])


def who_signed(
    authentication: bytes, manifest: bytes, trusted: Mapping[bytes, VerificationKey]
) -> VerificationKey | None:
    """Return the trusted key that signed the manifest; None if there is none."""
    try:
        wrapper: Any = cbor.decode(authentication)
    except MalformedCborError:
        return None
    match wrapper:
        case [bytes() as digest, bytes() as message] if digest == manifest_digest(manifest):
            return cose.verify1(message, digest, trusted)
        case _:
            return None


def manifest_digest(manifest: bytes) -> bytes:
    """Return the encoded SUIT_Digest of the manifest's byte string, head included."""
    return suit_digest(sha256(cbor.encode(manifest)).digest())


def write(elements: Mapping[Label, bytes], payload: bytes) -> bytes:
    """Return the envelope."""
    content: dict[int | str, bytes] = {int(label): element for label, element in elements.items()}
    return ENVELOPE_TAG + cbor.encode(content | {PAYLOAD_URI: payload})


class EnvelopeReader:
    """Reads an envelope that arrives in pieces of any size, and keeps no more of it than one element.

    `feed` yields what the bytes complete; it raises MalformedCborError at the first byte that cannot be right.
    """

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._consumed = 0
        self._left: int | None = None
        self._expected = list(_KEYS)
        self._payload_left: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the last byte of the payload is here."""
        return self._payload_left == 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what `data` completes."""
        self._waiting += data
        while self._payload_left is None:
            event = self._element() if self._left is not None else self._begin()
            if event is None:
                return
            yield from event
        yield from self._payload()

    def _begin(self) -> tuple[Event, ...] | None:
        """Read the tag and the number of elements."""
        start = bytes(self._waiting[:3])
        if not ENVELOPE_TAG.startswith(start[:2]):
            raise MalformedCborError("This is not a SUIT envelope")
        if len(start) < 3:
            return None
        major, count, _ = cbor.head(start, 2)
        if major != _MAP_MAJOR_TYPE or count > len(_KEYS):
            raise MalformedCborError("The envelope is not a map of elements that modules have")
        self._left = count
        self._consume(3)
        return ()

    def _element(self) -> tuple[Event, ...] | None:
        """Read one element, or the head of the payload."""
        if self._left == 0:
            raise MalformedCborError("The envelope holds no payload")
        key = self._key()
        position = len(key) if key is not None else 0
        if key is None or len(self._waiting) < position + _head_length(self._waiting, position):
            return None
        major, size, position = cbor.head(bytes(self._waiting[: position + _LONGEST_HEAD]), position)
        label = _KEYS[key]
        if major != _BYTES_MAJOR_TYPE or (label is not None and size > MAXIMUM_ELEMENT_BYTES[label]):
            raise MalformedCborError("An element of the envelope is no byte string or too long")
        if label is not None and len(self._waiting) < position + size:
            return None
        self._left = (self._left or 0) - 1
        self._expected = self._expected[self._expected.index(key) + 1 :]
        if label is None:
            return self._begin_payload(position, size)
        content = bytes(self._waiting[position : position + size])
        self._consume(position + size)
        return (Element(label, content),)

    def _key(self) -> bytes | None:
        """Return the key that comes next; None while it is cut off."""
        for key in self._expected:
            if self._waiting.startswith(key):
                return key
        if not any(key.startswith(self._waiting) for key in self._expected):
            raise MalformedCborError("An element of the envelope is unknown or out of order")
        return None

    def _begin_payload(self, position: int, size: int) -> tuple[Event, ...]:
        if self._left:
            raise MalformedCborError("Elements follow the payload")
        self._consume(position)
        self._payload_left = size
        return (PayloadBegins(self._consumed, size),)

    def _payload(self) -> Iterator[Event]:
        if len(self._waiting) > (self._payload_left or 0):
            raise MalformedCborError("Bytes follow the end of the package")
        if self._waiting:
            piece = bytes(self._waiting)
            self._payload_left = (self._payload_left or 0) - len(piece)
            self._consume(len(piece))
            yield PayloadPiece(piece)

    def _consume(self, count: int) -> None:
        del self._waiting[:count]
        self._consumed += count


def digest_matches(content: bytes, digest: bytes | None) -> bool:
    """Tell whether the manifest's digest is that of a severable element (of its byte string, head included)."""
    return digest is not None and len(digest) == DIGEST_BYTES and element_digest(content) == digest


def element_digest(content: bytes) -> bytes:
    """Return the digest of a severable element."""
    return sha256(cbor.encode(content)).digest()


def _head_length(data: bytearray, position: int) -> int:
    """Return how many bytes the head at `position` has; 1 while its first byte is missing."""
    information = data[position] & 31 if position < len(data) else 0
    return 1 + (1 << (information - 24)) if 24 <= information <= 27 else 1
