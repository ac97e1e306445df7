"""Verifying a package while it arrives: in pieces of any size, and refusing as early as it can be known."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml.module.streaming import StreamingVerifier

Build = Callable[..., bytes]


def bytes_until_refused(package: bytes, verifier: StreamingVerifier) -> int:
    """Feed single bytes; return how many it took, and make sure that none of the image came out."""
    for position in range(len(package)):
        try:
            assert verifier.feed(package[position : position + 1]) == b""
        except ModuleRejected:
            return position + 1
    raise AssertionError("never refused")


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 900), max_size=20), encoding=st.sampled_from([0, 1, 2]), blocks=st.booleans())
def test_pieces_of_any_size_give_the_image(
    build: Build, recipient: Recipient, payload: bytes, sizes: list[int], encoding: int, blocks: bool
) -> None:
    package = build(encodings=(PayloadEncoding(encoding),), block_bytes=256 if blocks else None)
    accepting = dataclasses.replace(recipient, encodings=tuple(PayloadEncoding))
    verifier, image, position = StreamingVerifier(accepting), bytearray(), 0
    for size in [*sizes, len(package)]:
        image += verifier.feed(package[position : position + size])
        position += size
    image += verifier.finish()
    assert bytes(image) == payload
    assert verifier.verified.sequence_number == 7


def test_the_manifest_and_descriptor_are_known_before_the_payload_arrives(
    build: Build, recipient: Recipient, descriptor: Descriptor
) -> None:
    package, verifier = build(), StreamingVerifier(recipient)
    verifier.feed(package[:400])
    assert verifier.manifest is not None
    assert verifier.manifest.image_size == 3000
    verifier.feed(package[400:-3000])
    assert verifier.descriptor == descriptor


def test_a_forged_package_is_refused_at_the_end_of_its_manifest(build: Build, recipient: Recipient) -> None:
    package = build(key=SigningKey.generate())
    verifier = StreamingVerifier(recipient)
    assert bytes_until_refused(package, verifier) < 400
    assert verifier.manifest is None


def test_what_does_not_fit_is_refused_before_its_payload_when_asked_for(build: Build, recipient: Recipient) -> None:
    package, small = build(), dataclasses.replace(recipient, working_memory_bytes=100)
    late = StreamingVerifier(small)
    late.feed(package)
    with pytest.raises(ModuleRejected) as caught:
        late.finish()
    assert caught.value.result is ModuleResult.WORKING_MEMORY_TOO_SMALL
    assert bytes_until_refused(package, StreamingVerifier(small, early=True)) <= len(package) - 3000


def test_a_bad_block_is_refused_as_it_ends_and_nothing_of_it_is_given_out(
    build: Build, recipient: Recipient, payload: bytes
) -> None:
    package = bytearray(build(block_bytes=256))
    start = len(package) - len(payload)
    package[start + 600] ^= 1
    verifier, image = StreamingVerifier(recipient), bytearray()
    image += verifier.feed(bytes(package[: start + 767]))
    with pytest.raises(ModuleRejected) as caught:
        verifier.feed(bytes(package[start + 767 : start + 768]))
    assert caught.value.result is ModuleResult.DIGEST_MISMATCH
    assert bytes(image) == payload[:512]


def test_a_refusal_is_repeated_whatever_comes_after(build: Build, recipient: Recipient) -> None:
    package, verifier = build(vendor_id=bytes(16)), StreamingVerifier(recipient)
    for work in (
        lambda: verifier.feed(package),
        lambda: verifier.feed(b""),
        verifier.finish,
        lambda: verifier.verified,
    ):
        with pytest.raises(ModuleRejected) as caught:
            work()
        assert caught.value.result is ModuleResult.WRONG_VENDOR_OR_CLASS


def test_nothing_is_verified_before_the_end(build: Build, recipient: Recipient) -> None:
    verifier = StreamingVerifier(recipient)
    verifier.feed(build())
    with pytest.raises(ModuleRejected, match="not been verified to its end"):
        _ = verifier.verified


def test_an_endless_package_is_refused_without_being_kept(build: Build, recipient: Recipient) -> None:
    package = build()
    verifier = StreamingVerifier(recipient)
    verifier.feed(package)
    with pytest.raises(ModuleRejected) as caught:
        verifier.feed(b"\x00")
    assert caught.value.result is ModuleResult.DIGEST_MISMATCH
