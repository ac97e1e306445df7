"""A whole compilation of a module that learns: its facts, its known answers, and what cannot be compiled."""

import numpy
import onnx
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.emulator import open_runner
from lwm2m_ml.compiler.errors import NotTrainable
from lwm2m_ml.compiler.targets import load_target

Floats = NDArray[numpy.float32]


def test_a_module_that_learns_says_where_its_parameters_lie(perceptron: bytes, samples: Floats) -> None:
    module = compile_model(perceptron, load_target("cortex-m4f"), calibration=samples, trainable_layers=2)
    assert module.exact
    assert module.learning is not None
    assert (module.learning.layers, module.learning.parameters) == (2, 7 * 13 + 4 * 8)
    assert module.learning.state_bytes == 3 * 4 * module.learning.parameters
    assert [tensor.name for tensor in module.inputs] == ["x", "learning.control"]
    assert [tensor.name for tensor in module.outputs] == ["y", "learning.loss", "learning.checksum"]
    assert module.instructions is not None
    assert module.learning.step_instructions is not None
    assert module.instructions < module.learning.step_instructions


def test_known_answers_hold_whatever_lies_in_the_arena_and_begin_with_a_step(
    perceptron: bytes, samples: Floats
) -> None:
    target = load_target("rv32imc")
    module = compile_model(perceptron, target, calibration=samples, trainable_layers=1)
    runner = open_runner(module.payload, target, arena_bytes=module.arena_bytes, stack_bytes=module.stack_bytes)
    checksum = module.outputs[2]
    for number, (given, expected) in enumerate(module.vectors):
        inputs, at = [], 0
        for tensor in module.inputs:
            inputs.append((tensor.offset, given[at : at + tensor.bytes]))
            at += tensor.bytes
        answer = runner.invoke(inputs, [(tensor.offset, tensor.bytes) for tensor in module.outputs])
        assert b"".join(answer.outputs) == expected
        if number == 0:
            assert expected[-checksum.bytes :] != bytes(4)


def test_a_model_can_say_itself_that_it_is_to_be_trained(perceptron: bytes, samples: Floats) -> None:
    wishes = onnx.load_model_from_string(perceptron)
    wishes.metadata_props.add(key="lwm2m-ml.trainable-layers", value="1")
    target = load_target("cortex-m4f")
    module = compile_model(wishes.SerializeToString(), target, calibration=samples, optimize="balanced")
    assert module.learning is not None
    plain = compile_model(wishes.SerializeToString(), target, calibration=samples, trainable_layers=0)
    assert plain.learning is None


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "9999"])
def test_a_wish_that_is_no_number_is_refused(perceptron: bytes, samples: Floats, value: str) -> None:
    wishes = onnx.load_model_from_string(perceptron)
    wishes.metadata_props.add(key="lwm2m-ml.trainable-layers", value=value)
    with pytest.raises(NotTrainable):
        compile_model(wishes.SerializeToString(), load_target("cortex-m4f"), calibration=samples)
