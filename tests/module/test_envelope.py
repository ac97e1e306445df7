"""The envelope: the SUIT draft's signed examples are accepted, and reading in pieces equals reading at once."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.module import cbor, cose, envelope
from lwm2m_ml.module.envelope import Element, EnvelopeReader, Event, PayloadBegins, PayloadPiece
from lwm2m_ml.module.errors import MalformedCborError
from lwm2m_ml.module.manifest import Label
from lwm2m_ml.module.signing import VerificationKey

# draft-ietf-suit-manifest, appendix "Examples": the public key, and Examples 0 and 1 with their COSE authentication.
DRAFT_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhJaBGq4LqqvSYVcYnuzaJr6qi/Eb
bz/m4rVlnIXbwK07HypLbAmBMcCjbazR14vTgdzfsJwFLbM5kdtzOLSolg==
-----END PUBLIC KEY-----
"""
EXAMPLE_0 = bytes.fromhex(
    "d86ba2025873825824822f58206658ea560262696dd1f13b782239a064da"
    "7c6c5cbaf52fded428a6fc83c7e5af584ad28443a10126a0f65840817be8"
    "80dced4e3cfea51497cba36b308767f31bd94a47c6e40728b13e298a8316"
    "5f3c5a7c15a1706807afaaa3c4c5d766a093b6d2c391a424156b48d0caeb"
    "c5035871a50101020003585fa202818141000458568614a40150fa6b4a53"
    "d5ad5fdfbe9de663e4d41ffe02501492af1425695e48bf429b2d51f2ab45"
    "035824822f582000112233445566778899aabbccddeeff0123456789abcd"
    "effedcba98765432100e1987d0010f020f074382030f0943821702"
)
EXAMPLE_1 = bytes.fromhex(
    "d86ba2025873825824822f58201f2e7acca0dc2786f2fe4eb947f50873a6"
    "a3cfaa98866c5b02e621f42074daf2584ad28443a10126a0f65840aebc01"
    "d2335021e5451eaa3a5b780fe8e64254bead7c7bba5f773868d0acd3fe9f"
    "eeeb6a77b83ef5270711dbb8974c7066275b948f6041fc55433210d5d7c0"
    "42035894a50101020103585fa202818141000458568614a40150fa6b4a53"
    "d5ad5fdfbe9de663e4d41ffe02501492af1425695e48bf429b2d51f2ab45"
    "035824822f582000112233445566778899aabbccddeeff0123456789abcd"
    "effedcba98765432100e1987d0010f020f074382030f1458258614a11578"
    "1b687474703a2f2f6578616d706c652e636f6d2f66696c652e62696e1502"
    "030f"
)
EXAMPLES = pytest.mark.parametrize("example", [EXAMPLE_0, EXAMPLE_1])


@EXAMPLES
def test_the_signed_examples_of_the_suit_draft_verify(example: bytes) -> None:
    key = VerificationKey.from_pem(DRAFT_KEY)
    elements = cbor2.loads(example).value
    assert envelope.who_signed(elements[2], elements[3], cose.trust([key])) == key
    assert envelope.who_signed(elements[2], elements[3], {}) is None


@EXAMPLES
def test_a_changed_manifest_of_the_suit_draft_does_not_verify(example: bytes) -> None:
    trusted = cose.trust([VerificationKey.from_pem(DRAFT_KEY)])
    elements = cbor2.loads(example).value
    for position in range(len(elements[3])):
        changed = bytearray(elements[3])
        changed[position] ^= 1
        assert envelope.who_signed(elements[2], bytes(changed), trusted) is None


@EXAMPLES
def test_the_elements_of_the_examples_are_read_and_their_lack_of_a_payload_is_noticed(example: bytes) -> None:
    with pytest.raises(MalformedCborError, match="no payload"):
        list(EnvelopeReader().feed(example + b"\x00"))
    (seen,) = EnvelopeReader().feed(example[:-1])
    assert seen == Element(Label.AUTHENTICATION, cbor2.loads(example).value[2])


def merged(events: list[Event]) -> list[Event]:
    """Join the pieces of the payload."""
    pieces = [event.data for event in events if isinstance(event, PayloadPiece)]
    return [*(event for event in events if not isinstance(event, PayloadPiece)), PayloadPiece(b"".join(pieces))]


ELEMENTS = {
    Label.AUTHENTICATION: b"a" * 200,
    Label.MANIFEST: b"m" * 300,
    Label.DESCRIPTOR: b"d" * 20,
    Label.BLOCK_TABLE: b"",
}
PACKAGE = envelope.write(ELEMENTS, b"p" * 1000)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 400), max_size=30))
def test_pieces_of_any_size_give_the_same_elements(sizes: list[int]) -> None:
    reader, events, position = EnvelopeReader(), list[Event](), 0
    for size in [*sizes, len(PACKAGE)]:
        events.extend(reader.feed(PACKAGE[position : position + size]))
        position += size
    offset = PACKAGE.index(b"p" * 1000)
    expected = [Element(label, content) for label, content in ELEMENTS.items()]
    assert merged(events) == [*expected, PayloadBegins(offset, 1000), PayloadPiece(b"p" * 1000)]
    assert reader.is_complete


def test_single_bytes_give_the_same_elements() -> None:
    reader, events = EnvelopeReader(), list[Event]()
    for byte in PACKAGE:
        assert not reader.is_complete
        events.extend(reader.feed(bytes([byte])))
    assert reader.is_complete
    assert merged(events) == merged(list(EnvelopeReader().feed(PACKAGE)))


@pytest.mark.parametrize(
    ("package", "sentence"),
    [
        (b"\xd8\x6c", "not a SUIT envelope"),
        (b"\xd8\x6b\x83", "not a map"),
        (b"\xd8\x6b\xb8\x20", "cut off"),
        (b"\xd8\x6b\xbf", "indefinite"),
        (b"\xd8\x6b\xa2\x04", "unknown or out of order"),
        (b"\xd8\x6b\xa3\x03\x41m\x02", "unknown or out of order"),
        (b"\xd8\x6b\xa3\x02\x61a", "no byte string"),
        (b"\xd8\x6b\xa3\x02\x59\x01\x01", "too long"),
        (b"\xd8\x6b\xa3\x02\x5b" + b"\xff" * 8, "too long"),
        (b"\xd8\x6b\xa3\x02\x58\x01", "shortest"),
        (b"\xd8\x6b\xa2\x67#module\x41p", "Elements follow"),
        (b"\xd8\x6b\xa1\x67#module\x41p\x00", "Bytes follow"),
        (b"\xd8\x6b\xa1\x02\x41a\x00", "no payload"),
    ],
)
def test_other_bytes_are_refused_as_soon_as_they_cannot_be_right(package: bytes, sentence: str) -> None:
    with pytest.raises(MalformedCborError, match=sentence):
        list(EnvelopeReader().feed(package))


def test_a_large_payload_is_announced_but_not_kept() -> None:
    reader = EnvelopeReader()
    events = list(reader.feed(b"\xd8\x6b\xa1\x67#module\x5b" + b"\xff" * 8))
    assert events == [PayloadBegins(20, (1 << 64) - 1)]
    for _ in range(100):
        assert list(reader.feed(bytes(1000))) == [PayloadPiece(bytes(1000))]
    assert not reader.is_complete


def test_what_is_written_is_deterministic_cbor() -> None:
    assert cbor.decode(PACKAGE).value["#module"] == b"p" * 1000
