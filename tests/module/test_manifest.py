"""The manifest, with the examples of the SUIT draft as the oracle for what we share with it."""

import dataclasses
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.module import cbor
from lwm2m_ml.module.errors import InvalidPackageFactsError, MalformedCborError
from lwm2m_ml.module.manifest import MAXIMUM_MANIFEST_BYTES, Manifest, PayloadEncoding, PayloadForm

# draft-ietf-suit-manifest, Example 0: the manifest's shared sequence, validate and invoke.
EXAMPLE_SHARED_SEQUENCE = bytes.fromhex(
    "8614a40150fa6b4a53d5ad5fdfbe9de663e4d41ffe02501492af1425695e48bf429b2d51f2ab45"
    "035824822f582000112233445566778899aabbccddeeff0123456789abcdeffedcba98765432100e1987d0010f020f"
)
EXAMPLE_VALIDATE = bytes.fromhex("074382030f")
EXAMPLE_INVOKE = bytes.fromhex("0943821702")

MANIFEST = Manifest(
    sequence_number=1,
    vendor_id=bytes.fromhex("fa6b4a53d5ad5fdfbe9de663e4d41ffe"),
    class_id=bytes.fromhex("1492af1425695e48bf429b2d51f2ab45"),
    component=(b"\x00",),
    image_digest=bytes.fromhex("00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"),
    image_size=34768,
    payload=PayloadForm(PayloadEncoding.NONE, 34768),
    descriptor_digest=bytes(32),
)
PACKED = dataclasses.replace(MANIFEST, payload=PayloadForm(PayloadEncoding.ZSTD, 20000, 12))
DIGESTS = st.binary(min_size=32, max_size=32)
MANIFESTS = st.builds(
    Manifest,
    sequence_number=st.integers(1, (1 << 64) - 1),
    vendor_id=st.binary(min_size=16, max_size=16),
    class_id=st.binary(min_size=16, max_size=16),
    component=st.lists(st.binary(max_size=8), min_size=1, max_size=4).map(tuple),
    image_digest=DIGESTS,
    image_size=st.integers(1, (1 << 32) - 1),
    payload=st.builds(
        PayloadForm,
        st.sampled_from(PayloadEncoding),
        st.integers(1, (1 << 32) - 1),
        st.integers(0, 31),
        st.integers(0, 31),
        st.none() | DIGESTS,
    ),
    descriptor_digest=DIGESTS,
    provenance_digest=st.none() | DIGESTS,
    block_table_digest=st.none() | DIGESTS,
    encryption=st.none() | st.binary(max_size=200),
)


@given(MANIFESTS)
def test_manifests_survive_the_round_trip(manifest: Manifest) -> None:
    assert Manifest.decode(manifest.encode()) == manifest


def test_what_we_share_with_the_example_of_the_suit_draft_is_the_same_bytes() -> None:
    encoded = MANIFEST.encode()
    assert EXAMPLE_SHARED_SEQUENCE in encoded
    assert EXAMPLE_VALIDATE in encoded
    assert EXAMPLE_INVOKE in encoded


def test_the_example_of_the_suit_draft_is_not_a_module() -> None:
    example = bytes.fromhex("a50101020003585fa2028181410004585686") + EXAMPLE_SHARED_SEQUENCE[1:]
    with pytest.raises(MalformedCborError):
        Manifest.decode(example + EXAMPLE_VALIDATE + EXAMPLE_INVOKE)


def test_the_install_sequence_fetches_the_integrated_payload_and_compares_it() -> None:
    value = cbor2.loads(MANIFEST.encode())
    override, parameters, fetch, _, image_match, _ = cbor2.loads(value[20])
    assert (override, fetch, image_match) == (20, 21, 3)
    assert parameters == {21: "#module"}


def test_the_form_of_a_payload_is_told_unless_it_is_the_image() -> None:
    _, parameters, *_ = cbor2.loads(cbor2.loads(PACKED.encode())[20])
    assert cbor2.loads(parameters[-257]) == {1: 1, 2: 20000, 3: 12}


def test_what_goes_without_saying_must_not_be_said() -> None:
    with pytest.raises(MalformedCborError):
        Manifest.decode(change([20, 1, -257], cbor.encode({1: 0, 2: 34768})))
    Manifest.decode(change([20, 1, -257], cbor.encode({1: 0, 2: 34767})))


def change(path: list[Any], new: object, manifest: Manifest = MANIFEST) -> bytes:
    """Change one part of the manifest, however deep, and encode it as deterministically as an author would."""

    def apply(value: Any, steps: list[Any]) -> Any:
        if not steps:
            return new
        if isinstance(value, bytes):
            return cbor.encode(apply(cbor2.loads(value), steps))
        value = value.copy()
        if new is None and len(steps) == 1:
            del value[steps[0]]
        else:
            value[steps[0]] = apply(value[steps[0]] if _has(value, steps[0]) else None, steps[1:])
        return value

    return cbor.encode(apply(cbor2.loads(manifest.encode()), path))


def _has(value: Any, step: Any) -> bool:
    return step in value if isinstance(value, dict) else step < len(value)


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ([1], 2),  # another manifest version
        ([2], 0),
        ([2], -1),
        ([2], "7"),
        ([2], True),
        ([2], None),
        ([3], None),
        ([3, 2], []),
        ([3, 2], [[b"a"], [b"b"]]),
        ([3, 2, 0], []),
        ([3, 2, 0], ["text"]),
        ([3, 4, 0], 19),  # another directive
        ([3, 4, 2], 5),  # another condition
        ([3, 4, 3], 0),  # another reporting policy
        ([3, 4, 1, 1], b"short"),
        ([3, 4, 1, 3], cbor.encode([-44, bytes(32)])),  # another digest algorithm
        ([3, 4, 1, 3], cbor.encode([-16, bytes(31)])),
        ([3, 4, 1, 14], 0),
        ([3, 4, 1, 14], 1 << 32),
        ([3, 4, 1, 14], 1.5),
        ([3, 4, 1, 99], 1),
        ([7], cbor.encode([])),
        ([9], None),
        ([20, 1, 21], "coap://elsewhere"),
        ([20, 1, 19], "text"),
        ([-257], None),
        ([-257], [-16, b"short"]),
        ([-257], []),
        ([-260], [-16, bytes(32)]),
        ([23], b"text"),
    ],
)
def test_an_authentic_manifest_of_another_form_is_refused(path: list[Any], new: object) -> None:
    with pytest.raises(MalformedCborError):
        Manifest.decode(change(path, new))


@pytest.mark.parametrize(("key", "new"), [(1, 9), (1, True), (2, 0), (2, None), (3, 32), (5, b"short"), (6, 1)])
def test_an_authentic_payload_of_another_form_is_refused(key: int, new: object) -> None:
    with pytest.raises(MalformedCborError):
        Manifest.decode(change([20, 1, -257, key], new, PACKED))


def test_a_manifest_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(MalformedCborError, match="too long"):
        Manifest.decode(bytes(MAXIMUM_MANIFEST_BYTES + 1))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedCborError):
        Manifest.decode(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence_number": 0},
        {"vendor_id": b"x"},
        {"component": ()},
        {"component": (bytes(65),)},
        {"image_size": 0},
        {"image_digest": b""},
        {"payload": PayloadForm(PayloadEncoding.NONE, 0)},
        {"payload": PayloadForm(PayloadEncoding.ZSTD, 1, 32)},
        {"payload": PayloadForm(PayloadEncoding.DELTA, 1, base_digest=b"x")},
    ],
)
def test_facts_that_no_manifest_can_say_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidPackageFactsError):
        dataclasses.replace(MANIFEST, **changes)
