"""Sequences and states: LSTM and SVDF against LiteRT's reference kernels, GRU on int8 against the float one."""

import contextlib
from dataclasses import replace
from typing import Any

import numpy
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.compiler.quantize.post_training import quantize
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import InvalidInputError

TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
_TANH, _RELU = schema.ActivationFunctionType.TANH, schema.ActivationFunctionType.RELU
_STEPS, _INPUTS, _UNITS = 6, 5, 4
Array = NDArray[Any]


def _lstm(bench: Any, *, cell_exponent: int = -11, zero_point: int = -5, clip: float = 0.0, **more: Any) -> bytes:
    """A TFLite file with one int8 LSTM, as the converter writes it."""
    generator = numpy.random.default_rng(41)
    integers = generator.integers
    hidden = bench.code((1, _UNITS), 1 / 120, zero_point)
    weights = [
        bench.constant(integers(-127, 128, (_UNITS, _INPUTS)), "int8", [0.008 + 0.002 * gate]) for gate in range(4)
    ]
    recurrent = [
        bench.constant(integers(-127, 128, (_UNITS, _UNITS)), "int8", [0.011 - 0.001 * gate]) for gate in range(4)
    ]
    biases = [bench.constant(integers(-900, 900, _UNITS), "int32", [0.0004]) for _ in range(4)]
    cell = bench.tensor((1, _UNITS), "int16", (2.0**cell_exponent,), (0,), variable=True)
    tensors = [
        bench.code((1, _STEPS, _INPUTS), 0.03, 7),
        *weights,
        *recurrent,
        *biases,
        replace(hidden, variable=True),
        cell,
        bench.code((1, _STEPS, _UNITS), 1 / 120, zero_point),
        *[bench.tensor((0,), "int16", (2.0**-12,), (0,))] * 4,
        bench.tensor((0,), "int8", (1 / 120,), (zero_point,)),
    ]
    operands = [*range(9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1]
    options = bench.options(
        "UnidirectionalSequenceLSTMOptions", fusedActivationFunction=_TANH, cellClip=clip, timeMajor=False, **more
    )
    step = bench.step("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [15], options, 1, range(16, 21))
    content: bytes = bench.write(tensors, [step], [0], [15])
    return content


def _float_lstm(bench: Any) -> bytes:
    generator = numpy.random.default_rng(42)

    def real(*shape: int) -> Any:
        return bench.constant(generator.standard_normal(shape), "float32")

    state = replace(bench.real((1, _UNITS)), variable=True)
    tensors = [
        bench.real((1, _STEPS, _INPUTS)),
        *[real(_UNITS, _INPUTS) for _ in range(4)],
        *[real(_UNITS, _UNITS) for _ in range(4)],
        *[real(_UNITS) for _ in range(4)],
        state,
        state,
        bench.real((1, _STEPS, _UNITS)),
    ]
    operands = [*range(9), -1, -1, -1, *range(9, 13), -1, -1, 13, 14, -1, -1, -1, -1]
    options = bench.options("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=_TANH)
    content: bytes = bench.write(
        tensors, [bench.step("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [15], options, 1)], [0], [15]
    )
    return content


LSTMS = {
    "usual": {},
    "fine cell state": {"cell_exponent": -14},
    "coarse cell state": {"cell_exponent": -10, "zero_point": 12},
    "clipped": {"clip": 0.4},
}


@pytest.mark.parametrize("name", LSTMS)
def test_lstm_equals_litert(name: str, bench: Any) -> None:
    content = _lstm(bench, **LSTMS[name])  # type: ignore[arg-type]
    graph = bench.graph(content)
    samples = bench.samples(graph, 8)
    numpy.testing.assert_array_equal(bench.interpret(graph, samples), bench.litert(content, samples))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", LSTMS)
def test_lstm_module_equals_litert(name: str, target: str, bench: Any) -> None:
    content = _lstm(bench, **LSTMS[name])  # type: ignore[arg-type]
    graph = bench.graph(content)
    samples = bench.samples(graph, 3)
    numpy.testing.assert_array_equal(bench.emulate(graph, target, samples), bench.litert(content, samples))


def test_whole_compilation_compares_with_litert_too(bench: Any) -> None:
    module = compile_model(_lstm(bench), load_target("cortex-m4f"))
    assert module.exact
    assert len(module.compared_with) == 2


def test_state_of_a_stream_lies_at_one_place(bench: Any) -> None:
    module = compile_model(_svdf(bench), load_target("cortex-m0plus"))
    assert module.exact
    assert module.inputs[1].dtype == module.outputs[1].dtype == "int16"
    assert module.inputs[1].offset == module.outputs[1].offset


@pytest.mark.parametrize("target", TARGETS)
def test_float_lstm_equals_litert(target: str, bench: Any) -> None:
    content = _float_lstm(bench)
    graph = simplify(load_model(content))
    samples = bench.samples(graph, 3)
    expected = bench.litert(content, samples)
    numpy.testing.assert_allclose(bench.interpret(graph, samples), expected, atol=1e-5)
    numpy.testing.assert_allclose(bench.emulate(graph, target, samples), expected, atol=1e-5)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_give_no_other_error(bench: Any, data: st.DataObject) -> None:
    content = bytearray(_lstm(bench) if data.draw(st.booleans()) else _svdf(bench))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidInputError):
        simplify(load_model(bytes(content)))


def test_lstm_with_another_activation_is_refused(bench: Any) -> None:
    content = _lstm(bench)
    options = bench.options("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=_RELU)
    tensors = [bench.code((1, 2, 3)), bench.code((1, 2, 3))]
    step = bench.step("UNIDIRECTIONAL_SEQUENCE_LSTM", [0] * 9 + [-1] * 11, [1], options, 1)
    assert load_model(content)
    with pytest.raises(UnsupportedOperator, match="activation is not tanh"):
        load_model(bench.write(tensors, [step], [0], [1]))


def _svdf(bench: Any, *, real: bool = False) -> bytes:
    """Four units of rank 2 with a memory of five places."""
    generator = numpy.random.default_rng(43)
    options = bench.options("SVDFOptions", rank=2, fusedActivationFunction=_RELU)
    if real:
        tensors = [
            bench.real((1, 6)),
            bench.constant(generator.standard_normal((8, 6)), "float32"),
            bench.constant(generator.standard_normal((8, 5)), "float32"),
            bench.constant(generator.standard_normal(4), "float32"),
            replace(bench.real((1, 40)), variable=True),
            bench.real((1, 4)),
        ]
    else:
        tensors = [
            bench.code((1, 6), 0.04, 3),
            bench.constant(generator.integers(-127, 128, (8, 6)), "int8", [0.01]),
            bench.constant(generator.integers(-9000, 9000, (8, 5)), "int16", [0.0001]),
            bench.constant(generator.integers(-9000, 9000, 4), "int32", [0.00000004]),
            bench.tensor((1, 40), "int16", (0.0004,), (0,), variable=True),
            bench.code((1, 4), 0.02, -128),
        ]
    content: bytes = bench.write(tensors, [bench.step("SVDF", range(5), [5], options, 3)], [0], [5])
    return content


def test_float_svdf_is_not_quantised_here(bench: Any) -> None:
    with pytest.raises(UnsupportedOperator, match=r"SVDF.*cannot be quantised"):
        quantize(simplify(load_model(_svdf(bench, real=True))), None)


def _stream(run: Any, inputs: Any, state: Array) -> list[Array]:
    """The answers of a module whose state goes in and comes out, one call after the other."""
    answers = []
    for (sample,) in inputs:
        ((answer, state),) = run([[sample, state]])
        answers.append(answer)
    return answers


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("where", ["interpreter", *TARGETS])
def test_svdf_streams_as_litert_does(where: str, real: bool, bench: Any) -> None:
    content = _svdf(bench, real=real)
    graph = simplify(load_model(content)) if real else bench.graph(content)
    inputs = [sample[:1] for sample in bench.samples(graph, 9)]
    state = numpy.zeros((1, 8, 5), graph.tensor(graph.inputs[1]).dtype.numpy)

    def run(samples: Any) -> Any:
        return bench.interpret(graph, samples) if where == "interpreter" else bench.emulate(graph, where, samples)

    expected = [answer for (answer,) in bench.litert(content, inputs, reset=False)]
    answers = _stream(run, inputs, state)
    if real:
        numpy.testing.assert_allclose(answers, expected, atol=1e-4)
    else:
        numpy.testing.assert_array_equal(answers, expected)
