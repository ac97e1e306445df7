"""Options as pairs of number and bytes, and the values inside them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lwm2m_ml.coap.errors import UnusableOption
from lwm2m_ml.coap.numbers import OPTION_FORMATS

Option = tuple[int, bytes]
Options = list[Option]

MAXIMUM_BLOCK_NUMBER = (1 << 20) - 1
BERT = 7
"""This size exponent means several blocks of 1,024 bytes in one message (RFC 8323 §6)."""


def encode_uint(value: int) -> bytes:
    """Encode an unsigned integer without leading zeros; zero is the empty string (RFC 7252 §3.2)."""
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")


def decode_uint(value: bytes) -> int:
    """Decode an unsigned integer; leading zeros are allowed."""
    return int.from_bytes(value, "big")


class Block(NamedTuple):
    """A Block1 or Block2 value (RFC 7959 §2.2)."""

    number: int
    more: bool
    size_exponent: int

    @property
    def size(self) -> int:
        """Bytes per block, which is also the unit of `number`."""
        return 1 << unit_bits(self.size_exponent)

    @property
    def start(self) -> int:
        """Offset of the block's first byte in the body."""
        return self.number << unit_bits(self.size_exponent)

    def fits(self, length: int) -> bool:
        """Whether a payload has the length of a block that is not the last."""
        if self.size_exponent == BERT:
            return length > 0 and length % self.size == 0
        return length == self.size

    def resized(self, size_exponent: int) -> "Block":
        """The same offset, told in blocks that are not larger than this exponent gives."""
        if size_exponent >= self.size_exponent:
            return self
        shift = unit_bits(self.size_exponent) - unit_bits(size_exponent)
        return Block(self.number << shift, self.more, size_exponent)

    def encode(self) -> bytes:
        """The option value."""
        return encode_uint(self.number << 4 | self.more << 3 | self.size_exponent)


def unit_bits(size_exponent: int) -> int:
    """The binary logarithm of the block size."""
    return min(size_exponent, BERT - 1) + 4


def decode_block(number: int, value: bytes, *, bert: bool = False) -> Block:
    """Decode a block option; size exponent 7 is reserved over UDP (RFC 7959 §2.2)."""
    bits = int.from_bytes(value, "big")
    if bits & 7 == BERT and not bert:
        raise UnusableOption(number, "has the reserved size exponent 7")
    return Block(bits >> 4, bool(bits & 8), bits & 7)


def first(options: Sequence[Option], number: int) -> bytes | None:
    """The value of the first option with this number."""
    for found, value in options:
        if found == number:
            return value
    return None


def first_uint(options: Sequence[Option], number: int) -> int | None:
    """The first option with this number as an unsigned integer."""
    value = first(options, number)
    return None if value is None else int.from_bytes(value, "big")


def first_block(options: Sequence[Option], number: int, *, bert: bool = False) -> Block | None:
    """The first option with this number as a block."""
    value = first(options, number)
    return None if value is None else decode_block(number, value, bert=bert)


def without(options: Iterable[Option], numbers: frozenset[int]) -> Options:
    """The options whose number is not among these."""
    return [option for option in options if option[0] not in numbers]


def usable(options: Options) -> Options:
    """The options this endpoint understands; raises UnusableOption for a critical one it does not.

    Unknown elective options, and those with a value outside their format, are ignored (RFC 7252 §5.4.1, §5.4.3).
    """
    previous = -1
    for number, value in options:
        format_ = OPTION_FORMATS.get(number)
        if format_ is None or (number == previous and not format_[0]) or not format_[1] <= len(value) <= format_[2]:
            return _without_unusable(options)
        previous = number
    return options


def _without_unusable(options: Options) -> Options:
    kept: Options = []
    previous = -1
    for option in options:
        number, value = option
        format_ = OPTION_FORMATS.get(number)
        if format_ is None:
            problem = "unknown"
        elif number == previous and not format_[0]:
            problem = "repeated"
        elif not format_[1] <= len(value) <= format_[2]:
            problem = "of a wrong length"
        else:
            previous = number
            kept.append(option)
            continue
        if number & 1:
            raise UnusableOption(number, f"is {problem}")
    return kept
