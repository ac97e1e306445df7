"""Zstandard (RFC 8878): packs best, its decoder is the largest."""

import zstandard

from lwm2m_ml.module.encodings.base import PIECE_BYTES, EncodedPayload, OutputLimit, decoding_failed
from lwm2m_ml.module.manifest import PayloadEncoding, PayloadForm

_LEVEL = 19
_SMALLEST_WINDOW_BITS = 10
_LARGEST_WINDOW_BITS = 17


def encode_zstd(image: bytes, window_bytes: int) -> list[EncodedPayload]:
    """Return the image as one frame without checksum or content size; none when zstd has no window that small."""
    window_bits = min(window_bytes.bit_length() - 1, _LARGEST_WINDOW_BITS)
    if window_bits < _SMALLEST_WINDOW_BITS:
        return []
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=len(image),  # the right size for its tables
        window_log=window_bits,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    # As a stream: told the whole size, zstd would choose a single segment, whose window is as long as the image.
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(image) + compressor.flush()
    return [EncodedPayload(PayloadForm(PayloadEncoding.ZSTD, len(data), window_bits), data)]


class ZstdDecoder:
    """Unpacks one frame. A block is no longer than the window, so a few bytes in never give much out."""

    def __init__(self, form: PayloadForm, image_size: int) -> None:
        if not _SMALLEST_WINDOW_BITS <= form.window_bits <= _LARGEST_WINDOW_BITS:
            raise decoding_failed("The payload's window is of no possible size")
        self._limit = OutputLimit(image_size)
        self._frame = zstandard.ZstdDecompressor(max_window_size=1 << form.window_bits).decompressobj()

    def feed(self, data: bytes) -> bytes:
        """Return what `data` unpacks to."""
        image = bytearray()
        for start in range(0, len(data), PIECE_BYTES):
            if self._frame.eof:
                raise decoding_failed("Bytes follow the end of the compressed payload")
            try:
                image += self._limit.passed(self._frame.decompress(data[start : start + PIECE_BYTES]))
            except zstandard.ZstdError as error:
                raise decoding_failed("The compressed payload is damaged") from error
        return bytes(image)

    def finish(self) -> bytes:
        """Make sure that the frame has ended."""
        if not self._frame.eof or self._frame.unused_data:
            raise decoding_failed("The compressed payload does not end where the package does")
        return b""
