"""The training step: bit for bit the reference on emulated cores, and in truth what the calculus says.

The reference in float32 is compared with what this file computes in float64 from the definition, and with TensorFlow's
gradient. Float32 has 24 bits; sums of some ten terms of size one leave 10⁻⁵ as a fair tolerance.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.native.tuning import first_design
from lwm2m_ml.compiler.execution import execute
from lwm2m_ml.compiler.interpreter import run, run_all
from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.ir.training import Control
from lwm2m_ml.compiler.reference.training import exponential, logarithm
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.training.head import find_head
from lwm2m_ml.compiler.training.step import CHECKSUM, CONTROL, LOSS, NEXT, STATE, as_called, with_training

Floats = NDArray[numpy.float32]
Doubles = NDArray[numpy.float64]
PARAMETERS, VELOCITY, GRADIENT = STATE
TOLERANCE = 1e-5
CORES = ("cortex-m4f", "rv32imc", "cortex-m0plus")
ROWS = {
    "inference": (0, 0, 0, 0, 0, 0),
    "inference with own parameters": (1, 0, 0, 0, 0, 0),
    "an example": (1, 1, 2, 0, 0, 0),
    "an example that counts half": (1, 0.5, 1, 0, 0, 0),
    "an example and a step": (1, 1, 3, 1, 0.1, 0.9),
    "a step of a batch": (1, 0, 0, 0.125, 0.05, 0.5),
    "a beginning with a step": (0, 1, 0, 1, 0.5, 0),
    "a class that is none": (1, 1, 4, 1, 0.1, 0.9),
    "a class below zero": (1, 1, -1, 0, 0, 0),
}


def _graph(quantised: Graph, layers: int) -> Graph:
    return with_training(quantised, layers)


def _inputs(graph: Graph, rows: Sequence[tuple[float, ...]], seed: int = 1) -> dict[str, Any]:
    generator = numpy.random.default_rng(seed)
    image = graph.tensor(graph.inputs[0])
    given: dict[str, Any] = {
        graph.inputs[0]: generator.integers(-128, 128, (len(rows), *image.shape)).astype(numpy.int8),
        CONTROL: numpy.asarray(rows, numpy.float32),
    }
    for name in STATE:
        shape = (len(rows), *graph.tensor(name).shape)
        given[name] = generator.normal(0, 0.3, shape).astype(numpy.float32)
    return given


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("core", CORES)
def test_a_call_gives_the_reference_s_answer_bit_for_bit(quantised: Graph, core: str, layers: int) -> None:
    graph, target = _graph(quantised, layers), load_target(core)
    given_inputs = _inputs(graph, list(ROWS.values()))
    payload = first_design(graph, target, "balanced").payload()
    done = execute(graph, payload, target, given_inputs)
    assert done is not None
    expected = run(graph, given_inputs)
    for name in graph.outputs:
        assert done.answers[name].tobytes() == numpy.ascontiguousarray(expected[name]).tobytes(), name


def test_state_goes_out_where_it_came_in(quantised: Graph) -> None:
    payload = first_design(_graph(quantised, 2), load_target("cortex-m4f"), "balanced").facts()
    assert all(payload.offsets[name] == payload.offsets[name + NEXT] for name in STATE)


def test_state_and_activations_share_one_arena_without_touching(quantised: Graph) -> None:
    graph = _graph(quantised, 2)
    payload = first_design(graph, load_target("cortex-m4f"), "balanced").facts()
    state = [buffer for buffer in payload.buffers if buffer.name in STATE]
    assert len(state) == len(STATE)
    assert all(buffer.first_use == 0 for buffer in state)
    for buffer in state:
        for other in payload.buffers:
            if other is not buffer and other.last_use >= buffer.first_use:
                assert other.offset >= buffer.offset + buffer.bytes or other.offset + other.bytes <= buffer.offset


def _float64_step(graph: Graph, quantised: Graph, layers: int, given_inputs: dict[str, Any]) -> dict[str, Doubles]:
    """The step from its definition, in float64, from the features that the int8 backbone gives."""
    head = find_head(quantised, layers)
    tensor = quantised.tensor(head.features)
    assert tensor.quantization is not None
    codes = run_all(graph, given_inputs, keep=(head.features,))[head.features].astype(numpy.float64)
    features = ((codes - tensor.quantization.zero_point) * tensor.quantization.scale)[:, 0]
    answers: dict[str, list[Any]] = {name: [] for name in (PARAMETERS, VELOCITY, GRADIENT, LOSS)}
    for sample, control in enumerate(given_inputs[CONTROL].astype(numpy.float64)):
        keep, weight, number, share, rate, momentum = control
        state = [given_inputs[name][sample].astype(numpy.float64) for name in STATE]
        if not keep:
            state = [head.parameters.astype(numpy.float64), *(0 * one for one in state[1:])]
        parameters, velocity, gradient = state
        rows, weights = [features[sample]], []
        for layer in head.layers:
            matrix = parameters[layer.start : layer.start + layer.parameters.size].reshape(layer.parameters.shape)
            weights.append(matrix)
            row = matrix @ numpy.append(rows[-1], 1.0)
            rows.append(row if layer.highest is None else numpy.clip(row, 0, layer.highest))
        powers = numpy.exp(rows[-1] - rows[-1].max())
        probabilities = powers / powers.sum()
        is_example = weight != 0 and 0 <= number < len(probabilities)
        answers[LOSS].append([-numpy.log(probabilities[int(number)]) if is_example else 0.0])
        parts: list[Doubles] = []
        error = weight * (probabilities - (numpy.arange(len(probabilities)) == number)) * is_example
        for place in range(len(weights) - 1, -1, -1):
            parts.insert(0, numpy.outer(error, numpy.append(rows[place], 1.0)).reshape(-1))
            error = (error @ weights[place][:, :-1]) * (rows[place] > 0)
        gradient = gradient + numpy.concatenate(parts)
        if share:
            velocity = momentum * velocity + share * gradient
            parameters = parameters - rate * velocity
            gradient = 0 * gradient
        for name, value in zip(STATE, (parameters, velocity, gradient), strict=True):
            answers[name].append(value)
    return {name: numpy.asarray(values) for name, values in answers.items()}


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_reference_is_the_definition_in_float64(quantised: Graph, layers: int) -> None:
    graph = _graph(quantised, layers)
    given_inputs = _inputs(graph, list(ROWS.values()), seed=layers)
    answers, expected = run(graph, given_inputs), _float64_step(graph, quantised, layers, given_inputs)
    for name in STATE:
        assert numpy.allclose(answers[name + NEXT], expected[name], rtol=TOLERANCE, atol=TOLERANCE), name
    assert numpy.allclose(answers[LOSS], expected[LOSS], rtol=TOLERANCE, atol=TOLERANCE)
    stepped = given_inputs[CONTROL][:, int(Control.SHARE)] != 0
    checksums = numpy.where(stepped, expected[PARAMETERS].sum(axis=1), 0.0)
    assert numpy.allclose(answers[CHECKSUM][:, 0], checksums, atol=1e-4)


_TENSORFLOW = """
import json, sys
import numpy, tensorflow as tf
given = json.load(sys.stdin)
features = tf.constant(given["features"], tf.float32)
weights = [tf.Variable(numpy.asarray(each, numpy.float32)) for each in given["weights"]]
layers = []
for number, each in enumerate(weights):
    layer = tf.keras.layers.Dense(each.shape[0], activation="relu" if number + 1 < len(weights) else None)
    layer.build((None, each.shape[1] - 1))
    layer.set_weights([each.numpy()[:, :-1].T, each.numpy()[:, -1]])
    layers.append(layer)
with tf.GradientTape() as tape:
    row = features
    for layer in layers:
        row = layer(row)
    loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    loss = loss_of(tf.constant(given["classes"]), row)
kernels = [variable for layer in layers for variable in layer.trainable_variables]
gradients = [part.numpy() for part in tape.gradient(loss, kernels)]
joined = [numpy.concatenate([gradients[i].T, gradients[i + 1][:, None]], 1) for i in range(0, len(gradients), 2)]
json.dump({"loss": float(loss), "gradient": numpy.concatenate([g.reshape(-1) for g in joined]).tolist()}, sys.stdout)
"""


def test_the_sum_of_gradients_of_a_batch_is_tensorflow_s(quantised: Graph) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("comparing needs the extra [tensorflow]")
    graph, head = _graph(quantised, 2), find_head(quantised, 2)
    classes = [number % 4 for number in range(10)]
    rows = [(float(number > 0), 1.0, float(one), 0.0, 0.0, 0.0) for number, one in enumerate(classes)]
    given_inputs = _inputs(graph, rows)
    gradient = numpy.zeros_like(given_inputs[GRADIENT][:1])
    losses = 0.0
    for number in range(len(rows)):
        one = {name: values[number : number + 1] for name, values in given_inputs.items()}
        one[PARAMETERS], one[GRADIENT] = head.parameters[None], gradient
        answers = run(graph, one)
        gradient = answers[GRADIENT + NEXT]
        losses += float(answers[LOSS][0, 0])
    tensor = quantised.tensor(head.features)
    assert tensor.quantization is not None
    codes = run_all(graph, given_inputs, keep=(head.features,))[head.features][:, 0].astype(numpy.float32)
    task = {
        "features": ((codes - tensor.quantization.zero_point) * tensor.quantization.scale).tolist(),
        "weights": [layer.parameters.tolist() for layer in head.layers],
        "classes": classes,
    }
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", _TENSORFLOW],
        input=json.dumps(task),
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert losses == pytest.approx(found["loss"], rel=1e-5)
    assert numpy.allclose(gradient[0], found["gradient"], rtol=TOLERANCE, atol=TOLERANCE)


def test_inference_with_the_model_s_own_parameters_is_the_int8_model_s_up_to_quantisation(quantised: Graph) -> None:
    called = as_called(_graph(quantised, 2))
    given_inputs = _inputs(_graph(quantised, 2), [ROWS["inference"]] * 32)
    answers = run(called, {name: given_inputs[name] for name in called.inputs})
    plain = run(quantised, {quantised.inputs[0]: given_inputs[quantised.inputs[0]]})
    differences = numpy.abs(answers[called.outputs[0]].astype(int) - plain[quantised.outputs[0]].astype(int))
    # Of 256 steps: the int8 head rounds where the float32 one does not.
    assert differences.mean() < 4
    assert answers[LOSS].max() == 0


def test_what_lay_in_the_arena_does_not_matter_to_a_call_that_begins_anew(quantised: Graph) -> None:
    graph = _graph(quantised, 1)
    rows = [ROWS["a beginning with a step"]] * 2
    given_inputs = _inputs(graph, rows)
    given_inputs[graph.inputs[0]][1] = given_inputs[graph.inputs[0]][0]
    for name in STATE:
        given_inputs[name][0], given_inputs[name][1] = numpy.nan, numpy.inf
    answers = run(graph, given_inputs)
    assert all((values[0] == values[1]).all() and numpy.isfinite(values).all() for values in answers.values())


@given(st.floats(-87, 88, width=32))
def test_powers_of_e_are_right_to_some_units_in_the_last_place(exponent: float) -> None:
    found = float(exponential(numpy.asarray([exponent], numpy.float32))[0])
    assert found == pytest.approx(numpy.exp(numpy.float64(exponent)), rel=1e-6)


@given(st.floats(2.0**-99, 2.0**99, width=32))
def test_logarithms_are_right_to_some_units_in_the_last_place(number: float) -> None:
    found = float(logarithm(numpy.asarray([number], numpy.float32))[0])
    assert found == pytest.approx(numpy.log(numpy.float64(number)), rel=1e-6, abs=1e-6)


def test_losing_steps_learn_what_they_are_shown(quantised: Graph) -> None:
    """Twenty inputs with random classes are learnt by heart: sixty rounds leave a quarter of the loss."""
    graph = _graph(quantised, 3)
    given_inputs = _inputs(graph, [ROWS["an example and a step"]] * 20)
    generator = numpy.random.default_rng(2)
    given_inputs[CONTROL] = numpy.stack(
        [(1, 1, number, 1, 0.02, 0.5) for number in generator.integers(0, 4, 20)]
    ).astype(numpy.float32)
    state = {PARAMETERS: find_head(quantised, 3).parameters[None].copy()}
    state |= {name: numpy.zeros_like(state[PARAMETERS]) for name in STATE[1:]}
    losses = []
    for _ in range(60):
        total = 0.0
        for number in range(20):
            one = {name: given_inputs[name][number : number + 1] for name in graph.inputs[:2]}
            answers = run(graph, {**one, **state})
            state = {name: answers[name + NEXT] for name in STATE}
            total += float(answers[LOSS][0, 0])
        losses.append(total)
    assert losses[-1] < losses[0] / 4
