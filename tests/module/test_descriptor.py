"""The module descriptor: what it holds survives, what is wrong is refused with a sentence."""

import dataclasses
import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.module import cbor
from lwm2m_ml.module.descriptor import MAXIMUM_DESCRIPTOR_BYTES, Descriptor, TensorDescriptor, Version
from lwm2m_ml.module.errors import InvalidDescriptorError

TENSORS = st.builds(
    TensorDescriptor,
    name=st.text(max_size=12),
    shape=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    dtype=st.sampled_from(["int8", "uint8", "int16", "int32", "float32"]),
    scale=st.floats(min_value=2.0**-100, max_value=1e10),
    zero_point=st.integers(-128, 127),
    offset=st.integers(0, 1000),
    unit=st.sampled_from(["", "Cel"]),
    preprocessing=st.text(max_size=8),
)


@given(tensors=st.lists(TENSORS, min_size=1, max_size=3), threshold=st.none() | st.floats(0, 100))
def test_descriptors_survive_the_round_trip(tensors: list[TensorDescriptor], threshold: float | None) -> None:
    size = sum(tensor.bytes for tensor in tensors)
    original = Descriptor(
        model_id=bytes(16),
        model_name="m",
        model_version="1",
        variant="v",
        target="t",
        flash_bytes=1,
        arena_bytes=1 << 24,
        stack_bytes=3,
        instructions=4,
        inputs=tuple(tensors),
        outputs=tuple(tensors),
        threshold=threshold,
        vectors=((bytes(size), bytes(size)),),
    )
    assert Descriptor.decode(original.encode()) == original


def test_the_same_descriptor_gives_the_same_bytes(descriptor: Descriptor) -> None:
    assert descriptor.encode() == dataclasses.replace(descriptor).encode()


def test_whole_numbers_where_others_are_meant_are_encoded_as_those(descriptor: Descriptor) -> None:
    tensor = dataclasses.replace(descriptor.inputs[0], scale=1)
    whole = dataclasses.replace(descriptor, threshold=50, inputs=(tensor,))
    assert Descriptor.decode(whole.encode()) == whole


def test_another_decoder_reads_it(descriptor: Descriptor) -> None:
    value = cbor2.loads(descriptor.encode())
    assert value[0] == 1
    assert value[2] == "digits"
    assert value[14][0][3] == [1, 1, 8, 8]
    assert json.dumps(sorted(value)) == str(list(range(22)))


def test_working_memory_is_arena_and_stack(descriptor: Descriptor) -> None:
    assert descriptor.working_memory_bytes == 1280


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({1: b"short"}, "16 bytes"),
        ({0: 2}, "another form"),
        ({0: 3}, "version 3"),
        ({22: 5}, "not a map"),
        ({22: {1: 1, 2: 0, 3: 4, 4: 16, 5: 9}}, "no input learning.control"),
        ({5: 9}, "format 9"),
        ({6: "1.0"}, "three numbers"),
        ({11: 8}, "does not lie in the arena"),
        ({13: -1}, "out of range"),
        ({13: "many"}, "no whole number"),
        ({14: []}, "at least one input"),
        ({14: [3]}, "not a map"),
        ({18: [[b"", b""]]}, "known-answer"),
        ({18: [[b""]]}, "pair"),
        ({16: [1]}, "something but text"),
        ({7: None}, "no text"),
        ({8: "isa"}, "no list"),
        ({17: "high"}, "no number"),
        ({21: 5}, "not a map"),
        ({4: "", 5: 2.0}, "no whole number"),
        ({99: 1}, "unknown key 99"),
    ],
)
def test_a_wrong_field_is_refused_with_its_name(descriptor: Descriptor, changes: dict[int, Any], sentence: str) -> None:
    value = cbor2.loads(descriptor.encode()) | changes
    with pytest.raises(InvalidDescriptorError, match=sentence):
        Descriptor.decode(cbor.encode(value))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({2: 99}, "data type"),
        ({3: [0]}, "shape"),
        ({3: [1 << 29, 1 << 29]}, "larger than any memory"),
        ({3: [1] * 9}, "shape"),
        ({4: 1 << 40}, "outside any memory"),
        ({5: 0.0}, "scale"),
        ({5: float("nan")}, "scale"),
        ({5: float("inf")}, "scale"),
        ({6: 1 << 33}, "zero point"),
        ({6: True}, "no whole number"),
    ],
)
def test_a_wrong_tensor_is_refused(descriptor: Descriptor, changes: dict[int, Any], sentence: str) -> None:
    value = cbor2.loads(descriptor.encode())
    value[14][0] |= changes
    with pytest.raises(InvalidDescriptorError, match=sentence):
        Descriptor.decode(cbor.encode(value))


def test_a_descriptor_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(InvalidDescriptorError, match="too long"):
        Descriptor.decode(bytes(MAXIMUM_DESCRIPTOR_BYTES + 1))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_as_invalid(data: bytes) -> None:
    with pytest.raises(InvalidDescriptorError):
        Descriptor.decode(data)


def test_every_truncation_and_every_changed_byte_is_refused_or_another_descriptor(descriptor: Descriptor) -> None:
    data = descriptor.encode()
    for position in range(len(data)):
        with pytest.raises(InvalidDescriptorError):
            Descriptor.decode(data[:position])
        changed = bytearray(data)
        changed[position] ^= 0x41
        try:
            assert Descriptor.decode(bytes(changed)) != descriptor
        except InvalidDescriptorError:
            continue


@pytest.mark.parametrize(
    ("module", "runtime", "runs"),
    [
        ("1.0.0", "1.0.0", True),
        ("1.0.3", "1.0.0", True),
        ("1.0.0", "1.2.0", True),
        ("1.2.0", "1.1.9", False),
        ("2.0.0", "1.9.0", False),
        ("1.0.0", "2.0.0", False),
    ],
)
def test_a_runtime_runs_modules_of_its_major_version_up_to_its_minor(module: str, runtime: str, runs: bool) -> None:
    assert Version.parse(module).runs_on(Version.parse(runtime)) is runs
