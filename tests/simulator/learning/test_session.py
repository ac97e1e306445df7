"""A session on the emulated processor: the reference's numbers bit for bit, in the order of the examples."""

import random
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.training.step import CONTROL, LOSS, NEXT, STATE
from lwm2m_ml.learning.terms import Method
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.learning.control import control
from lwm2m_ml_simulator.learning.examples import Example, ExampleStore
from lwm2m_ml_simulator.learning.memory import LearnedParameters, without_learning
from lwm2m_ml_simulator.learning.session import Recipe, Session
from lwm2m_ml_simulator.processor.machine import ModuleMachine, quantise
from tests.simulator.learning.conftest import Digits

Floats = NDArray[numpy.float32]


def _reference(digits: Digits, weights: Floats, recipe: Recipe, seed: int) -> tuple[Floats, float]:
    """The same session with the interpreter."""
    image = digits.descriptor.inputs[0]
    state = {name: numpy.zeros((1, weights.size), numpy.float32) for name in STATE}
    state[STATE[0]] = weights[None].copy()
    order, generator = list(range(len(digits.examples))), random.Random(seed)
    losses: list[float] = []
    for _ in range(recipe.epochs):
        generator.shuffle(order)
        losses = []
        for start in range(0, len(order), recipe.batch):
            batch = order[start : start + recipe.batch]
            for place, index in enumerate(batch):
                share = 1 / len(batch) if place == len(batch) - 1 else 0.0
                row = (1, 1, digits.examples[index].true_class, share, recipe.rate, recipe.momentum)
                codes = numpy.frombuffer(quantise(digits.examples[index].values, image), numpy.int8)
                given: dict[str, NDArray[Any]] = {
                    digits.graph.inputs[0]: codes.reshape(1, *image.shape),
                    CONTROL: numpy.asarray([row], numpy.float32),
                }
                answers = run(digits.graph, {**given, **state})
                state = {name: answers[name + NEXT] for name in STATE}
                losses.append(float(answers[LOSS][0, 0]))
    return state[STATE[0]][0], sum(losses) / len(losses)


@pytest.mark.parametrize("start", ["own", "zeros"])
def test_a_session_is_the_reference_bit_for_bit(digits: Digits, start: str) -> None:
    weights = digits.own if start == "own" else numpy.zeros_like(digits.own)
    recipe = Recipe(epochs=2, batch=5, rate=0.05, momentum=0.5)
    session = Session(ModuleMachine(digits.target, 64e6), digits.payload, digits.descriptor)
    learnt = session.learn(weights.tobytes(), digits.examples, recipe, seed=7)
    expected, loss = _reference(digits, weights, recipe, seed=7)
    assert learnt.parameters.tobytes() == expected.tobytes()
    assert learnt.loss == pytest.approx(loss)
    assert learnt.calls == 1 + 2 * len(digits.examples)
    assert learnt.instructions > learnt.calls * 50_000


def test_the_gradient_method_makes_one_step_over_all_examples(digits: Digits) -> None:
    session = Session(ModuleMachine(digits.target, 64e6), digits.payload, digits.descriptor)
    weights = numpy.zeros_like(digits.own)
    learnt = session.learn(weights.tobytes(), digits.examples, Recipe(Method.GRADIENT, epochs=5, rate=9.0), seed=1)
    expected, _ = _reference(digits, weights, Recipe(batch=len(digits.examples), rate=1.0), seed=1)
    assert learnt.parameters.tobytes() == expected.tobytes()


async def test_a_device_infers_with_what_it_has_adopted(digits: Digits) -> None:
    machine = ModuleMachine(digits.target, 64e6)
    image = quantise(digits.examples[0].values, digits.descriptor.inputs[0])
    own = await machine.infer(digits.payload, digits.descriptor, [image])
    machine.learned.adopt(digits.payload, bytes(digits.own.nbytes))
    flat = await machine.infer(digits.payload, digits.descriptor, [image])
    assert own.outputs[0] != flat.outputs[0]
    assert set(numpy.frombuffer(flat.outputs[0], numpy.int8).tolist()) == {round(0.1 * 256) - 128}
    assert await machine.self_test(digits.payload, digits.descriptor) == 100.0


def test_a_module_that_does_not_learn_gets_no_control_and_no_session(digits: Digits) -> None:
    plain = type(digits.descriptor)(
        **{name: getattr(digits.descriptor, name) for name in ("model_id", "model_name", "model_version", "variant")},
        target="t",
        flash_bytes=1,
        arena_bytes=1000,
        stack_bytes=1,
        instructions=1,
        inputs=(digits.descriptor.inputs[0].__class__("x", (1,), "int8", 1.0, 0, 0),),
        outputs=(digits.descriptor.inputs[0].__class__("y", (1,), "int8", 1.0, 0, 0),),
    )
    assert LearnedParameters().completed(b"", plain, [b"x"]) == ((b"x",), ())
    assert without_learning(plain) is plain
    seen = without_learning(digits.descriptor)
    assert (seen.inputs, seen.outputs) == (digits.descriptor.inputs[:1], digits.descriptor.outputs[:1])
    with pytest.raises(MachineFailure, match="does not learn"):
        Session(ModuleMachine(digits.target, 64e6), b"", plain)


def test_the_control_without_arguments_is_zero() -> None:
    assert not any(control())
    numbers = control(keep=True, weight=0.5, true_class=3, share=0.25, rate=0.125, momentum=0.75)
    assert numpy.frombuffer(numbers, "<f4").tolist() == [1.0, 0.5, 3.0, 0.25, 0.125, 0.75]


def test_a_store_keeps_the_newest_examples() -> None:
    store = ExampleStore(capacity=2)
    for number in range(4):
        store.add(Example(numpy.zeros(1, numpy.float32), number))
    assert [example.true_class for example in store] == [2, 3]
