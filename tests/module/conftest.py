"""Facts, keys and packages that the tests of the module format share."""

import pytest

from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor


@pytest.fixture
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
    )
