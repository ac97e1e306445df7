"""Facts, keys and packages that the tests of the module format share."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml.module.package import build_package
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.signing import SigningKey

# The machine may be busy with something else: how long an example takes says nothing here.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

VENDOR = bytes.fromhex("fa6b4a53d5ad5fdfbe9de663e4d41ffe")
CLASS = bytes.fromhex("1492af1425695e48bf429b2d51f2ab45")


@pytest.fixture(scope="session")
def descriptor() -> Descriptor:
    """The descriptor of a small classifier with two known answers."""
    return Descriptor(
        model_id=bytes(range(16)),
        model_name="digits",
        model_version="1.0.0",
        variant="digits-small",
        target="cortex-m4f",
        flash_bytes=4096,
        arena_bytes=1024,
        stack_bytes=256,
        instructions=123456,
        inputs=(TensorDescriptor("image", (1, 1, 8, 8), "int8", 1 / 255, -128, 0, preprocessing="pixel / 16"),),
        outputs=(TensorDescriptor("probabilities", (1, 10), "int8", 1 / 256, -128, 64),),
        isa=("armv7e-m", "dsp", "fpv4-sp-d16"),
        labels=tuple("0123456789"),
        threshold=50.0,
        vectors=((bytes(64), bytes(10)), (bytes(range(64)), bytes(range(10)))),
        reference="litert",
        licence="MIT",
        drift=DriftReference((0.25,), (0.5,), ((0.0, 0.5),), ((0.0, 0.75, 0.25),), (0.1,) * 10),
    )


@pytest.fixture(scope="session")
def key() -> SigningKey:
    """The key that the devices trust."""
    return SigningKey.generate()


@pytest.fixture(scope="session")
def payload() -> bytes:
    """Something as long as a small module, that can be compressed a little."""
    generator = random.Random(7)
    return bytes(generator.choice((0, 0, 0, generator.randrange(256))) for _ in range(3000))


Build = Callable[..., bytes]


@pytest.fixture(scope="session")
def build(payload: bytes, descriptor: Descriptor, key: SigningKey) -> Build:
    """Builds a package of the payload; keyword arguments change what it says."""

    def make(image: bytes = payload, about: Descriptor = descriptor, **changes: Any) -> bytes:
        facts: dict[str, Any] = {
            "key": key,
            "vendor_id": VENDOR,
            "class_id": CLASS,
            "component": (b"module", b"\x00"),
            "sequence_number": 7,
        }
        return build_package(image, about, **(facts | changes))

    return make


@pytest.fixture(scope="session")
def recipient(key: SigningKey) -> Recipient:
    """A device that the package is for."""
    return Recipient(
        trust_anchors=(key.verification_key,),
        vendor_id=VENDOR,
        class_id=CLASS,
        storage_bytes=4096,
        working_memory_bytes=2048,
        sequence_floor=6,
        component=(b"module", b"\x00"),
        isa=("armv7e-m", "dsp", "fpv4-sp-d16", "thumb2"),
    )
