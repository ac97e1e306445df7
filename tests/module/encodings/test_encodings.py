"""Payload encodings: the image comes back, the smallest wins, and nothing that arrives can do harm."""

import importlib.util
import random

import heatshrink2
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.module.encodings import decoder_for, encode_smallest, every_encoding
from lwm2m_ml.module.encodings.base import PayloadDecoder
from lwm2m_ml.module.errors import InvalidPackageFactsError, ModuleRejected
from lwm2m_ml.module.manifest import PayloadEncoding, PayloadForm
from lwm2m_ml.module.results import ModuleResult

COMPRESSIONS = (PayloadEncoding.NONE, PayloadEncoding.ZSTD, PayloadEncoding.HEATSHRINK)
SPARSE = bytes(random.Random(3).choice((0, 0, 0, 0, 7, 9)) for _ in range(6000))
DENSE = random.Random(4).randbytes(6000)
needs_detools = pytest.mark.skipif(importlib.util.find_spec("detools") is None, reason="deltas need the extra [delta]")


def unpack(decoder: PayloadDecoder, data: bytes, piece: int = 100) -> bytes:
    image = bytearray()
    for start in range(0, len(data), piece):
        image += decoder.feed(data[start : start + piece])
    return bytes(image + decoder.finish())


def unpack_or_refuse(decoder: PayloadDecoder, data: bytes) -> bytes | ModuleResult:
    try:
        return unpack(decoder, data)
    except ModuleRejected as rejection:
        return rejection.result


@settings(max_examples=40)
@given(
    image=st.binary(min_size=1, max_size=3000), piece=st.integers(1, 500), window=st.sampled_from([256, 1024, 65536])
)
def test_every_encoding_gives_the_image_back(image: bytes, piece: int, window: int) -> None:
    for encoded in every_encoding(image, COMPRESSIONS, window_bytes=window):
        assert encoded.form.size == len(encoded.data)
        assert 1 << encoded.form.window_bits <= max(window, 1)
        assert unpack(decoder_for(encoded.form, len(image)), encoded.data, piece) == image


def test_other_decoders_read_what_we_pack() -> None:
    for encoded in every_encoding(SPARSE, COMPRESSIONS):
        match encoded.form.encoding:
            case PayloadEncoding.ZSTD:
                assert zstandard.ZstdDecompressor().decompressobj().decompress(encoded.data) == SPARSE
            case PayloadEncoding.HEATSHRINK:
                form = encoded.form
                bits = {"window_sz2": form.window_bits, "lookahead_sz2": form.lookahead_bits}
                assert heatshrink2.decompress(encoded.data, **bits) == SPARSE
            case PayloadEncoding.NONE:
                assert encoded.data == SPARSE


def test_the_smallest_wins() -> None:
    assert encode_smallest(SPARSE, COMPRESSIONS).form.encoding is PayloadEncoding.ZSTD
    assert encode_smallest(SPARSE, COMPRESSIONS).form.size < len(SPARSE) / 2
    assert encode_smallest(DENSE, COMPRESSIONS).form.encoding is PayloadEncoding.NONE
    without_zstd = encode_smallest(SPARSE, (PayloadEncoding.NONE, PayloadEncoding.HEATSHRINK))
    assert without_zstd.form.encoding is PayloadEncoding.HEATSHRINK
    assert encode_smallest(SPARSE, COMPRESSIONS, window_bytes=512).form.window_bits <= 9


def test_a_device_that_accepts_nothing_possible_gets_nothing() -> None:
    with pytest.raises(InvalidPackageFactsError, match="no payload encoding"):
        encode_smallest(SPARSE, (PayloadEncoding.DELTA,))


@pytest.mark.parametrize("encoding", [PayloadEncoding.ZSTD, PayloadEncoding.HEATSHRINK])
def test_a_payload_that_unpacks_to_more_than_the_manifest_says_is_stopped(encoding: PayloadEncoding) -> None:
    encoded = encode_smallest(bytes(1 << 20), (encoding,), window_bytes=1024)
    assert unpack_or_refuse(decoder_for(encoded.form, 1000), encoded.data) is ModuleResult.DECODING_FAILED


@settings(max_examples=200)
@given(data=st.binary(max_size=300), form=st.sampled_from([(1, 10, 0), (1, 17, 0), (2, 8, 4), (2, 12, 6), (0, 0, 0)]))
def test_arbitrary_payloads_are_unpacked_or_refused(data: bytes, form: tuple[int, int, int]) -> None:
    encoding, window_bits, lookahead_bits = form
    decoder = decoder_for(PayloadForm(PayloadEncoding(encoding), len(data), window_bits, lookahead_bits), 500)
    outcome = unpack_or_refuse(decoder, data)
    assert outcome is ModuleResult.DECODING_FAILED or (isinstance(outcome, bytes) and len(outcome) <= 500)


@pytest.mark.parametrize("form", [(1, 9, 0), (1, 31, 0), (1, 0, 0), (2, 3, 3), (2, 16, 4), (2, 8, 8), (2, 8, 2)])
def test_impossible_windows_are_refused_before_any_memory_is_taken(form: tuple[int, int, int]) -> None:
    encoding, window_bits, lookahead_bits = form
    with pytest.raises(ModuleRejected) as caught:
        decoder_for(PayloadForm(PayloadEncoding(encoding), 10, window_bits, lookahead_bits), 500)
    assert caught.value.result is ModuleResult.DECODING_FAILED


def test_a_cut_or_prolonged_zstd_frame_is_refused() -> None:
    (encoded,) = every_encoding(SPARSE, (PayloadEncoding.ZSTD,))
    for data in (encoded.data[:-1], encoded.data + b"\x00", encoded.data + bytes(200)):
        with pytest.raises(ModuleRejected) as caught:
            unpack(decoder_for(encoded.form, len(SPARSE)), data)
        assert caught.value.result is ModuleResult.DECODING_FAILED


def test_a_delta_against_another_image_is_refused() -> None:
    form = PayloadForm(PayloadEncoding.DELTA, 10, base_digest=bytes(32))
    for base in (None, b"another image"):
        with pytest.raises(ModuleRejected) as caught:
            decoder_for(form, 100, base)
        assert caught.value.result is ModuleResult.DELTA_BASE_MISMATCH


@needs_detools
def test_a_delta_of_a_small_change_is_small_and_gives_the_image_back() -> None:
    image = bytearray(DENSE)
    image[1000:1040] = bytes(40)
    encoded = encode_smallest(bytes(image), (*COMPRESSIONS, PayloadEncoding.DELTA), base=DENSE)
    assert encoded.form.encoding is PayloadEncoding.DELTA
    assert encoded.form.size < len(DENSE) / 10
    assert unpack(decoder_for(encoded.form, len(image), DENSE), encoded.data) == bytes(image)


@needs_detools
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_damaged_delta_is_refused_or_stays_within_its_limit(data: st.DataObject) -> None:
    encoded = encode_smallest(DENSE[:5000] + SPARSE[:100], (PayloadEncoding.DELTA,), base=DENSE)
    changed = bytearray(encoded.data)
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    outcome = unpack_or_refuse(decoder_for(encoded.form, 5100, DENSE), bytes(changed))
    assert outcome is ModuleResult.DECODING_FAILED or (isinstance(outcome, bytes) and len(outcome) <= 5100)
