"""Packages: the device gets what was built, and every way to forge or break one has its result."""

import dataclasses
import importlib.util
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.module import cbor, envelope
from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.encryption import DevicePrivateKey
from lwm2m_ml.module.errors import InvalidPackageFactsError, ModuleRejected
from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.module.package import VerifiedPackage, encrypt_payload, verify_package
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.signing import Algorithm, SigningKey

Build = Callable[..., bytes]
MANIFEST_LIMIT, LARGEST_MANIFEST_LIMIT = 400, 640
ALL_ENCODINGS = tuple(PayloadEncoding)


def verify(package: bytes, recipient: Recipient, **changes: Any) -> VerifiedPackage:
    facts = {field.name: getattr(recipient, field.name) for field in dataclasses.fields(recipient)}
    return verify_package(package, **(facts | changes))


def result_of(package: bytes, recipient: Recipient, **changes: Any) -> ModuleResult:
    """Return what the device reports; SUCCESS when it accepts."""
    try:
        verify(package, recipient, **changes)
    except ModuleRejected as rejection:
        return rejection.result
    return ModuleResult.SUCCESS


def head_size(package: bytes) -> int:
    """Return what a device must keep in memory before it may trust anything: authentication and manifest."""
    elements = cbor2.loads(package).value
    return 3 + sum(1 + len(cbor.encode(elements[key])) for key in (2, 3))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_what_was_built_is_verified(
    build: Build, recipient: Recipient, payload: bytes, descriptor: Descriptor, algorithm: Algorithm
) -> None:
    key = SigningKey.generate(algorithm)
    package = build(key=key)
    verified = verify(package, recipient, trust_anchors=[key.verification_key])
    assert verified.payload == payload
    assert verified.descriptor == descriptor
    assert verified.sequence_number == 7
    assert verified.digest == sha256(payload).digest()
    assert verified.key_id == key.key_id
    assert package[verified.payload_offset :] == payload


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_the_same_facts_give_the_same_bytes(build: Build, algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm)
    assert build(key=key, block_bytes=512) == build(key=key, block_bytes=512)


def test_a_package_is_a_tagged_suit_envelope(build: Build, descriptor: Descriptor, payload: bytes) -> None:
    tagged = cbor2.loads(build())
    assert tagged.tag == 107
    assert list(tagged.value) == [2, 3, -257, "#module"]
    assert tagged.value[-257] == descriptor.encode()
    assert tagged.value["#module"] == payload


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_authentication_and_manifest_fit_small_buffers(build: Build, payload: bytes, algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm)
    large = {"sequence_number": 1 << 40, "block_bytes": 512, "provenance": b"digests"}
    assert head_size(build(key=key, **large)) <= MANIFEST_LIMIT
    assert head_size(build(key=key, **(large | {"sequence_number": (1 << 64) - 1}))) <= MANIFEST_LIMIT
    device = DevicePrivateKey(X25519PrivateKey.generate())
    if importlib.util.find_spec("detools") is not None:
        large |= {"base": payload[:-9], "encodings": (PayloadEncoding.DELTA,)}
    assert head_size(build(key=key, recipients=[device.public], **large)) <= LARGEST_MANIFEST_LIMIT


@pytest.mark.parametrize(
    ("built", "device", "result"),
    [
        ({"key": SigningKey.generate()}, {}, ModuleResult.SIGNATURE_INVALID),
        ({}, {"trust_anchors": ()}, ModuleResult.SIGNATURE_INVALID),
        ({"vendor_id": bytes(16)}, {}, ModuleResult.WRONG_VENDOR_OR_CLASS),
        ({"class_id": bytes(16)}, {}, ModuleResult.WRONG_VENDOR_OR_CLASS),
        ({"component": (b"firmware",)}, {}, ModuleResult.WRONG_VENDOR_OR_CLASS),
        ({"component": (b"firmware",)}, {"component": None}, ModuleResult.SUCCESS),
        ({"sequence_number": 6}, {}, ModuleResult.SEQUENCE_NUMBER_TOO_LOW),
        ({"sequence_number": 1}, {}, ModuleResult.SEQUENCE_NUMBER_TOO_LOW),
        ({}, {"storage_bytes": 2999}, ModuleResult.STORAGE_TOO_SMALL),
        ({}, {"storage_bytes": 3000}, ModuleResult.SUCCESS),
        ({}, {"working_memory_bytes": 1279}, ModuleResult.WORKING_MEMORY_TOO_SMALL),
        ({}, {"working_memory_bytes": 1280}, ModuleResult.SUCCESS),
        ({}, {"operator_sets": ("tflite-3",)}, ModuleResult.OPERATOR_MISSING),
        ({}, {"abi": "2.0.0"}, ModuleResult.RUNTIME_VERSION_MISMATCH),
        ({}, {"abi": "1.4.0"}, ModuleResult.SUCCESS),
        ({}, {"formats": (0,)}, ModuleResult.RUNTIME_VERSION_MISMATCH),
        ({}, {"isa": ("armv6-m",)}, ModuleResult.RUNTIME_VERSION_MISMATCH),
        ({}, {"isa": None}, ModuleResult.SUCCESS),
        ({"encodings": (PayloadEncoding.ZSTD,)}, {}, ModuleResult.DECODING_FAILED),
        ({"encodings": (PayloadEncoding.ZSTD,)}, {"encodings": ALL_ENCODINGS}, ModuleResult.SUCCESS),
    ],
)
def test_each_check_has_its_result(
    build: Build, recipient: Recipient, built: dict[str, Any], device: dict[str, Any], result: ModuleResult
) -> None:
    assert result_of(build(**built), recipient, **device) is result


def test_checks_are_made_in_their_order(build: Build, recipient: Recipient) -> None:
    """Everything is wrong at once; putting it right one by one shows which check comes next."""
    package = bytearray(build())
    package[-1] ^= 1
    wrong: dict[str, Any] = {
        "trust_anchors": (),
        "vendor_id": bytes(16),
        "sequence_floor": 7,
        "storage_bytes": 10,
        "working_memory_bytes": 10,
        "operator_sets": (),
        "abi": "3.0.0",
    }
    seen = []
    for name in list(wrong):
        seen.append(result_of(bytes(package), recipient, **wrong))
        del wrong[name]
        if seen[-1] is ModuleResult.STORAGE_TOO_SMALL:
            seen.append(result_of(bytes(package), recipient, **wrong))
            package[-1] ^= 1
    seen.append(result_of(bytes(package), recipient, **wrong))
    assert seen == [2, 4, 5, 6, 3, 7, 8, 9, 1]


def test_every_flipped_bit_of_authentication_and_manifest_is_refused_as_a_bad_signature(
    build: Build, recipient: Recipient
) -> None:
    package = build()
    for position in range(head_size(package)):
        for bit in range(8):
            changed = bytearray(package)
            changed[position] ^= 1 << bit
            # The number of elements (byte 2) is not signed: a wrong one is noticed where the elements end.
            expected = {2, 3} if position == 2 else {2}
            assert result_of(bytes(changed), recipient) in expected, (position, bit)


@pytest.mark.parametrize("changes", [{}, {"block_bytes": 256, "provenance": b"p"}])
def test_every_changed_byte_after_the_manifest_is_refused_as_a_bad_digest(
    build: Build, recipient: Recipient, changes: dict[str, Any]
) -> None:
    package = build(**changes)
    for position in range(head_size(package), len(package)):
        changed = bytearray(package)
        changed[position] ^= 1 << (position % 8)
        assert result_of(bytes(changed), recipient) is ModuleResult.DIGEST_MISMATCH, position


def test_every_truncation_and_every_addition_is_refused(build: Build, recipient: Recipient) -> None:
    package = build()
    head = head_size(package)
    for length in [*range(head + 600), *range(head + 600, len(package), 97), len(package) - 1]:
        expected = ModuleResult.SIGNATURE_INVALID if length < head else ModuleResult.DIGEST_MISMATCH
        assert result_of(package[:length], recipient) is expected, length
    assert result_of(package + b"\x00", recipient) is ModuleResult.DIGEST_MISMATCH


def test_parts_of_two_good_packages_do_not_make_a_third(build: Build, recipient: Recipient, payload: bytes) -> None:
    one, two = (cbor2.loads(build(image=image)).value for image in (payload, payload[::-1]))
    for label, result in [(2, 2), (3, 2), ("#module", 3)]:
        mixed = envelope.ENVELOPE_TAG + cbor.encode(one | {label: two[label]})
        assert result_of(mixed, recipient) == result


def test_elements_that_are_missing_or_not_signed_are_refused(build: Build, recipient: Recipient) -> None:
    elements = cbor2.loads(build(block_bytes=256)).value
    for label, result in [(2, 2), (3, 2), (-257, 3), ("#module", 3)]:
        rest = {key: element for key, element in elements.items() if key != label}
        assert result_of(envelope.ENVELOPE_TAG + cbor.encode(rest), recipient) == result
    added = envelope.ENVELOPE_TAG + cbor.encode(elements | {-258: b"provenance that nobody signed"})
    assert result_of(added, recipient) is ModuleResult.DIGEST_MISMATCH


def test_severable_elements_can_be_left_out(build: Build, recipient: Recipient, payload: bytes) -> None:
    elements = cbor2.loads(build(block_bytes=256, provenance=b"digests")).value
    assert verify(build(block_bytes=256, provenance=b"digests"), recipient).module.provenance == b"digests"
    for severed in ({-258}, {-259}, {-258, -259}):
        rest = {key: element for key, element in elements.items() if key not in severed}
        verified = verify(envelope.ENVELOPE_TAG + cbor.encode(rest), recipient)
        assert verified.payload == payload


@pytest.mark.parametrize("block_bytes", [None, 512])
@pytest.mark.parametrize("encoding", [PayloadEncoding.NONE, PayloadEncoding.ZSTD, PayloadEncoding.HEATSHRINK])
def test_packed_and_encrypted_payloads_arrive(
    build: Build, recipient: Recipient, payload: bytes, encoding: PayloadEncoding, block_bytes: int | None
) -> None:
    device = DevicePrivateKey(X25519PrivateKey.generate())
    package = build(encodings=(encoding,), recipients=[device.public], block_bytes=block_bytes)
    assert payload not in package
    opened = verify(package, recipient, encodings=ALL_ENCODINGS, decryption_key=device)
    assert opened.payload == payload
    assert result_of(package, recipient, encodings=ALL_ENCODINGS) is ModuleResult.DECRYPTION_FAILED


def test_one_encrypted_payload_serves_many_devices(build: Build, recipient: Recipient, payload: bytes) -> None:
    encrypted = encrypt_payload(payload)
    for device in (DevicePrivateKey(X25519PrivateKey.generate()) for _ in range(2)):
        package = build(recipients=[device.public], encrypted=encrypted)
        assert package.endswith(encrypted.data)
        assert verify(package, recipient, decryption_key=device).payload == payload


@pytest.mark.skipif(importlib.util.find_spec("detools") is None, reason="deltas need the extra [delta]")
def test_a_delta_arrives_where_its_base_is_and_nowhere_else(build: Build, recipient: Recipient, payload: bytes) -> None:
    newer = payload[:1000] + bytes(50) + payload[1050:]
    package = build(image=newer, encodings=ALL_ENCODINGS, base=payload)
    assert len(package) < len(build(image=newer)) / 2
    assert verify(package, recipient, encodings=ALL_ENCODINGS, base=payload).payload == newer
    for base in (newer, None):
        assert result_of(package, recipient, encodings=ALL_ENCODINGS, base=base) is ModuleResult.DELTA_BASE_MISMATCH


@pytest.mark.parametrize(
    "changes",
    [
        {"image": b""},
        {"sequence_number": 0},
        {"vendor_id": b"short"},
        {"component": ()},
        {"provenance": bytes(70000)},
        {"block_bytes": 1},
    ],
)
def test_what_cannot_be_packaged_is_refused_with_a_sentence(build: Build, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidPackageFactsError):
        build(**changes)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_packages_are_refused_and_nothing_worse(
    build: Build, recipient: Recipient, data: st.DataObject
) -> None:
    package = bytearray(build(block_bytes=512))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(package)))
        end = min(start + data.draw(st.integers(0, 8)), len(package))
        package[start:end] = data.draw(st.binary(max_size=8))
    expected = (ModuleResult.SIGNATURE_INVALID, ModuleResult.DIGEST_MISMATCH)
    if bytes(package) != build(block_bytes=512):
        assert result_of(bytes(package), recipient) in expected


@given(data=st.binary(max_size=500), prefix=st.sampled_from([b"", b"\xd8\x6b", b"\xd8\x6b\xa4\x02\x58"]))
def test_arbitrary_bytes_are_refused(recipient: Recipient, data: bytes, prefix: bytes) -> None:
    assert result_of(prefix + data, recipient) is ModuleResult.SIGNATURE_INVALID


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_authentic_nonsense_is_refused_and_nothing_worse(
    build: Build, recipient: Recipient, key: SigningKey, data: st.DataObject
) -> None:
    """A careless author signs a damaged manifest: the device refuses it all the same."""
    elements = cbor2.loads(build()).value
    manifest = bytearray(elements[3])
    manifest[data.draw(st.integers(0, len(manifest) - 1))] ^= data.draw(st.integers(1, 255))
    elements |= {3: bytes(manifest), 2: envelope.authenticate(bytes(manifest), key)}
    assert result_of(envelope.ENVELOPE_TAG + cbor.encode(elements), recipient) is not ModuleResult.SIGNATURE_INVALID
