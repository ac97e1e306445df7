"""The specification tells the truth: its example is what the code builds, its tables are what the code has."""

import pathlib
import re

import cbor2
from cryptography.hazmat.primitives.asymmetric import ed25519

from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.package import build_package, verify_package
from lwm2m_ml.module.signing import SigningKey

SPECIFICATION = (pathlib.Path(__file__).parents[2] / "docs" / "module-format.md").read_text(encoding="utf-8")
VENDOR = bytes.fromhex("fa6b4a53d5ad5fdfbe9de663e4d41ffe")
CLASS = bytes.fromhex("1492af1425695e48bf429b2d51f2ab45")
CODE = bytes.fromhex("0178017400207047") + bytes(8)
DOUBLER = Descriptor(
    model_id=bytes(range(16)),
    model_name="doubler",
    model_version="1.0.0",
    variant="one",
    target="cortex-m0plus",
    flash_bytes=16,
    arena_bytes=32,
    stack_bytes=8,
    instructions=4,
    inputs=(TensorDescriptor("x", (1,), "int8", 0.5, 0, 0),),
    outputs=(TensorDescriptor("y", (1,), "int8", 1.0, 0, 16),),
    isa=("armv6-m",),
    vectors=((b"\x05", b"\x05"),),
)


def documented_example() -> bytes:
    match = re.search(r"```hex\n(.*?)```", SPECIFICATION, re.DOTALL)
    assert match is not None
    return bytes.fromhex(match.group(1))


def test_the_example_is_what_is_built_and_it_verifies() -> None:
    key = SigningKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    built = build_package(
        CODE, DOUBLER, key=key, vendor_id=VENDOR, class_id=CLASS, component=(b"module",), sequence_number=1
    )
    assert built == documented_example()
    assert key.key_id.hex() in SPECIFICATION
    verified = verify_package(
        documented_example(),
        trust_anchors=[key.verification_key],
        vendor_id=VENDOR,
        class_id=CLASS,
        component=(b"module",),
        storage_bytes=16,
        working_memory_bytes=40,
    )
    assert verified.payload == CODE
    assert verified.descriptor == DOUBLER


def test_the_sizes_that_the_example_is_said_to_have_are_right() -> None:
    elements = cbor2.loads(documented_example()).value
    head = 3 + sum(1 + len(cbor2.dumps(elements[label])) for label in (2, 3))
    assert f"take {head} B of its {len(documented_example())}" in SPECIFICATION
