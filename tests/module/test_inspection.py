"""Looking into packages, severing and signing again."""

import contextlib
import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.module import cbor, envelope
from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.errors import InvalidPackageFactsError
from lwm2m_ml.module.inspection import differences, inspect_package, sever, sign_again
from lwm2m_ml.module.manifest import Label
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml.module.streaming import StreamingVerifier

Build = Callable[..., bytes]


def accepted(package: bytes, recipient: Recipient) -> bytes:
    verifier = StreamingVerifier(recipient)
    return verifier.feed(package) + verifier.finish()


def test_a_package_of_anybody_can_be_looked_into(build: Build, descriptor: Descriptor, payload: bytes) -> None:
    stranger = SigningKey.generate()
    contents = inspect_package(build(key=stranger))
    assert contents.descriptor == descriptor
    assert contents.manifest.sequence_number == 7
    assert contents.key_id == stranger.key_id[:8]
    assert contents.payload == payload
    assert contents.head_size <= 400


def test_provenance_is_severed_and_the_signature_stays_good(build: Build, recipient: Recipient, payload: bytes) -> None:
    package = build(provenance=b"digests", block_bytes=256)
    severed = sever(package)
    assert len(package) - len(severed) == len(cbor.encode(int(Label.PROVENANCE))) + len(cbor.encode(b"digests"))
    assert accepted(severed, recipient) == payload
    assert Label.BLOCK_TABLE in inspect_package(severed).elements
    with pytest.raises(InvalidPackageFactsError):
        sever(package, [Label.DESCRIPTOR])


def test_an_older_module_is_signed_again_with_a_higher_number(
    build: Build, recipient: Recipient, key: SigningKey, payload: bytes
) -> None:
    package, later = build(), dataclasses.replace(recipient, sequence_floor=9)
    again = sign_again(package, key, 10)
    assert accepted(again, later) == payload
    assert differences(inspect_package(package), inspect_package(again)) == {"sequence_number": (7, 10)}


def test_differences_name_what_differs(build: Build, descriptor: Descriptor) -> None:
    other = dataclasses.replace(descriptor, variant="digits-large")
    found = differences(inspect_package(build()), inspect_package(build(about=other, key=SigningKey.generate())))
    assert found["variant"] == ("digits-small", "digits-large")
    assert set(found) == {"variant", "descriptor_digest", "key_id"}


@given(st.data())
def test_damaged_packages_are_read_or_refused_and_nothing_worse(build: Build, data: st.DataObject) -> None:
    package = bytearray(build())
    package[data.draw(st.integers(0, 500))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(package)))
    for damaged in (bytes(package), bytes(package[:cut])):
        with contextlib.suppress(InvalidInputError):
            inspect_package(damaged)


def test_a_package_without_key_identifier_is_looked_into_too(build: Build) -> None:
    contents = inspect_package(build())
    digest, _ = cbor.decode(contents.elements[Label.AUTHENTICATION])
    for wrapper in (cbor.encode([digest, b"\xd2\x80"]), cbor.encode([digest]), b"\xff"):
        package = envelope.write(contents.elements | {Label.AUTHENTICATION: wrapper}, contents.payload)
        assert inspect_package(package).key_id is None
