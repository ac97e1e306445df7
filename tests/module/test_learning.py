"""What a descriptor says of learning: kept, checked, and only with the version that knows of it."""

import dataclasses
from typing import Any

import cbor2
import pytest

from lwm2m_ml.compiler.ir import training
from lwm2m_ml.module import learning
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.errors import InvalidDescriptorError
from lwm2m_ml.module.learning import LearningDescriptor

FACTS: dict[str, Any] = {"layers": 1, "offset": 128, "parameters": 50, "state_bytes": 600, "instructions": 99}


def _with(descriptor: Descriptor, **changes: Any) -> Descriptor:
    control = TensorDescriptor("learning.control", (6,), "float32", 1.0, 0, 1000)
    learning = LearningDescriptor(**(FACTS | changes))
    return dataclasses.replace(descriptor, inputs=(*descriptor.inputs, control), vectors=(), learning=learning)


def test_a_descriptor_that_knows_of_learning_has_version_2_and_others_stay_at_1(descriptor: Descriptor) -> None:
    learns = _with(descriptor)
    assert (cbor2.loads(descriptor.encode())[0], cbor2.loads(learns.encode())[0]) == (1, 2)
    assert Descriptor.decode(learns.encode()) == learns


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layers": 0}, "no layer"),
        ({"parameters": 0}, "without parameters"),
        ({"offset": 130}, "multiple of 4"),
        ({"state_bytes": 196}, "no part of the state"),
        ({"offset": 428}, "does not lie in the arena"),
    ],
)
def test_what_cannot_be_is_refused(descriptor: Descriptor, changes: dict[str, int], sentence: str) -> None:
    with pytest.raises(InvalidDescriptorError, match=sentence):
        _with(descriptor, **changes)


def test_learning_without_an_input_that_controls_it_is_refused(descriptor: Descriptor) -> None:
    with pytest.raises(InvalidDescriptorError, match=r"no input learning\.control"):
        dataclasses.replace(descriptor, learning=LearningDescriptor(**FACTS))


def test_the_numbers_of_the_control_are_those_that_compiled_modules_read() -> None:
    assert [(one.name, one.value) for one in learning.Control] == [(one.name, one.value) for one in training.Control]
