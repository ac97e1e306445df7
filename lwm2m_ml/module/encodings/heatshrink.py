"""Heatshrink: LZSS with a window of a few hundred bytes, whose decoder fits into any device."""

import heatshrink2
from heatshrink2.core import Encoder, Reader

from lwm2m_ml.module.encodings.base import PIECE_BYTES, EncodedPayload, OutputLimit, decoding_failed
from lwm2m_ml.module.manifest import PayloadEncoding, PayloadForm

_WINDOW_BITS = range(8, 13)
_LOOKAHEAD_BITS = (4, 6)
_SMALLEST_WINDOW_BITS, _LARGEST_WINDOW_BITS = 4, 15
_SMALLEST_LOOKAHEAD_BITS = 3


def encode_heatshrink(image: bytes, window_bytes: int) -> list[EncodedPayload]:
    """Return the image packed with every window that the device's decoder can hold."""
    possible = [bits for bits in _WINDOW_BITS if 1 << bits <= window_bytes]
    return [_encode(image, window, lookahead) for window in possible for lookahead in _LOOKAHEAD_BITS]


def _encode(image: bytes, window_bits: int, lookahead_bits: int) -> EncodedPayload:
    data = bytes(heatshrink2.compress(image, window_sz2=window_bits, lookahead_sz2=lookahead_bits))
    return EncodedPayload(PayloadForm(PayloadEncoding.HEATSHRINK, len(data), window_bits, lookahead_bits), data)


class HeatshrinkDecoder:
    """Unpacks as bytes arrive. The stream has no end of its own: it ends with the image."""

    def __init__(self, form: PayloadForm, image_size: int) -> None:
        if not _SMALLEST_WINDOW_BITS <= form.window_bits <= _LARGEST_WINDOW_BITS:
            raise decoding_failed("The payload's window is of no possible size")
        if not _SMALLEST_LOOKAHEAD_BITS <= form.lookahead_bits < form.window_bits:
            raise decoding_failed("The payload's lookahead is of no possible size")
        self._limit = OutputLimit(image_size)
        self._stream = Encoder(Reader(window_sz2=form.window_bits, lookahead_sz2=form.lookahead_bits))

    def feed(self, data: bytes) -> bytes:
        """Return what `data` unpacks to."""
        image = bytearray()
        for start in range(0, len(data), PIECE_BYTES):
            image += self._limit.passed(bytes(self._stream.fill(data[start : start + PIECE_BYTES])))
        return bytes(image)

    def finish(self) -> bytes:
        """Return the last bytes."""
        return self._limit.passed(bytes(self._stream.finish()))
