"""Payload encodings: every one is tried, the smallest result that the device can unpack is sent."""

from collections.abc import Collection

from lwm2m_ml.module.encodings.base import EncodedPayload, PayloadDecoder
from lwm2m_ml.module.encodings.delta import DeltaDecoder, encode_delta
from lwm2m_ml.module.encodings.heatshrink import HeatshrinkDecoder, encode_heatshrink
from lwm2m_ml.module.encodings.raw import RawDecoder, encode_raw
from lwm2m_ml.module.encodings.zstd import ZstdDecoder, encode_zstd
from lwm2m_ml.module.errors import InvalidPackageFactsError
from lwm2m_ml.module.manifest import PayloadEncoding, PayloadForm

__all__ = ["EncodedPayload", "PayloadDecoder", "decoder_for", "encode_smallest", "every_encoding"]

DEFAULT_WINDOW_BYTES = 4096


def encode_smallest(
    image: bytes,
    encodings: Collection[PayloadEncoding],
    *,
    window_bytes: int = DEFAULT_WINDOW_BYTES,
    base: bytes | None = None,
) -> EncodedPayload:
    """Return the smallest of `every_encoding`; of equals, the one that is cheapest to unpack."""
    return min(every_encoding(image, encodings, window_bytes=window_bytes, base=base), key=lambda one: one.form.size)


def every_encoding(
    image: bytes,
    encodings: Collection[PayloadEncoding],
    *,
    window_bytes: int = DEFAULT_WINDOW_BYTES,
    base: bytes | None = None,
) -> list[EncodedPayload]:
    """Return the image in every encoding of `encodings` that is possible, cheapest to unpack first.

    `window_bytes` is what the device's decoder may remember (42769/x/33); without `base`, the image that the device
    has now, there is no delta.
    """
    made = []
    if PayloadEncoding.NONE in encodings:
        made.append(encode_raw(image))
    if PayloadEncoding.HEATSHRINK in encodings:
        made += encode_heatshrink(image, window_bytes)
    if PayloadEncoding.ZSTD in encodings:
        made += encode_zstd(image, window_bytes)
    if PayloadEncoding.DELTA in encodings and base is not None:
        made += encode_delta(image, base)
    if not made:
        raise InvalidPackageFactsError("The device accepts no payload encoding that is possible here")
    return made


def decoder_for(form: PayloadForm, image_size: int, base: bytes | None = None) -> PayloadDecoder:
    """Return the decoder of a payload; none of them ever returns more than `image_size` bytes."""
    match form.encoding:
        case PayloadEncoding.NONE:
            return RawDecoder(image_size)
        case PayloadEncoding.ZSTD:
            return ZstdDecoder(form, image_size)
        case PayloadEncoding.HEATSHRINK:
            return HeatshrinkDecoder(form, image_size)
        case PayloadEncoding.DELTA:
            return DeltaDecoder(form, image_size, base)
