"""Signed packages of a tiny module for the sweep: adds a constant to three bytes, in Thumb code of every Cortex-M."""

import struct

from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.module.package import build_package
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml_simulator.device.profile import DeviceProfile

INPUT_BYTES, OUTPUT_BYTES = 4, 3
_OUTPUT_OFFSET, _ARENA_BYTES, _STACK_BYTES = 16, 32, 64
_BLOCK_BYTES = 256
_FILLER = bytes(range(256)) * 4


def image(bias: int) -> bytes:
    """Return the machine code, and bytes behind it that make it as long as a small module is."""
    code = (
        0x2303,  # movs r3, #3
        0x3B01,  # loop: subs r3, #1
        0x5CC1,  # ldrb r1, [r0, r3]
        0x3100 | bias,  # adds r1, #bias
        0x18C2,  # adds r2, r0, r3
        0x7411,  # strb r1, [r2, #16]
        0x2B00,  # cmp r3, #0
        0xD1F8,  # bne loop
        0x2000,  # movs r0, #0
        0x4770,  # bx lr
    )
    return struct.pack(f"<{len(code)}H", *code) + _FILLER


def package(
    profile: DeviceProfile, key: SigningKey, sequence_number: int, *, bias: int, base: bytes | None = None
) -> bytes:
    """Return the module with this constant, with a block table; with `base` as a delta against that image."""
    payload = image(bias)
    given = bytes(range(INPUT_BYTES))
    descriptor = Descriptor(
        model_id=bytes(16),
        model_name="sweep",
        model_version=str(sequence_number),
        variant="only",
        target=profile.target.name,
        flash_bytes=len(payload),
        arena_bytes=_ARENA_BYTES,
        stack_bytes=_STACK_BYTES,
        instructions=30,
        inputs=(TensorDescriptor("in", (INPUT_BYTES,), "int8", 1.0, 0, 0),),
        outputs=(TensorDescriptor("out", (OUTPUT_BYTES,), "int8", 1.0, 0, _OUTPUT_OFFSET),),
        labels=("a", "b", "c"),
        vectors=((given, bytes(value + bias for value in given[:OUTPUT_BYTES])),),
    )
    return build_package(
        payload,
        descriptor,
        key=key,
        vendor_id=profile.vendor_id,
        class_id=profile.class_id,
        component=(b"module",),
        sequence_number=sequence_number,
        encodings=(PayloadEncoding.NONE,) if base is None else (PayloadEncoding.DELTA,),
        base=base,
        block_bytes=_BLOCK_BYTES if base is None else None,
    )
