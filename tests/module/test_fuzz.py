"""Mutated packages in numbers: none crashes the verifier, hangs it or is accepted. `-m slow` runs a million."""

import random
from collections.abc import Callable

import cbor2
import pytest

from lwm2m_ml.module import cbor, envelope
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml.module.streaming import StreamingVerifier

Build = Callable[..., bytes]
SHARE, ALL = 3_000, 1_000_000


def mutate(data: bytes, generator: random.Random) -> bytes:
    """Return `data` with a few bytes flipped, replaced, removed, repeated or inserted."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 4, 16))):
        start = generator.randrange(len(changed) + 1)
        length = generator.choice((0, 1, 1, 2, 4, 8))
        piece = generator.choice((generator.randbytes(length), bytes(changed[start : start + length]) * 2, b"\xff"))
        changed[start : start + generator.choice((0, length))] = piece
    return bytes(changed)


def is_accepted(package: bytes, recipient: Recipient) -> bool:
    verifier = StreamingVerifier(recipient)
    try:
        verifier.feed(package)
        verifier.finish()
    except ModuleRejected:
        return False
    return True


def fuzz(count: int, build: Build, recipient: Recipient, key: SigningKey, image: bytes) -> None:
    """Mutate whole packages, and manifests and descriptors that are then signed: a careless author's."""
    generator, package = random.Random(20), build(image=image, block_bytes=64)
    elements = cbor2.loads(package).value
    for number in range(count):
        if number % 3 == 0:
            mutated = mutate(package, generator)
            assert mutated == package or not is_accepted(mutated, recipient), mutated.hex()
            continue
        about, manifest = elements[-257], elements[3]
        if number % 3 == 1:
            manifest = mutate(manifest, generator)
        else:
            digest = envelope.element_digest(about)
            about = mutate(about, generator)
            manifest = manifest.replace(digest, envelope.element_digest(about))
        signed = {2: envelope.authenticate(manifest, key), 3: manifest, -257: about}
        # Authentic, so it may be accepted (a sequence number or a label has changed); it must not do anything worse.
        is_accepted(envelope.ENVELOPE_TAG + cbor.encode(elements | signed), recipient)


def test_a_share_of_the_mutations(build: Build, recipient: Recipient, key: SigningKey, payload: bytes) -> None:
    fuzz(SHARE, build, recipient, key, payload[:200])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_mutations(build: Build, recipient: Recipient, key: SigningKey, payload: bytes) -> None:
    fuzz(ALL, build, recipient, key, payload[:200])
