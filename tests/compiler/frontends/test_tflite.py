"""TFLite models computed by the integer interpreter, against LiteRT's reference kernels; and damaged files."""

import contextlib
from pathlib import Path
from typing import Any

import numpy
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.errors import UnreadableModel
from lwm2m_ml.compiler.frontends.load import load_model
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.passes.pipeline import simplify
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import InvalidInputError

MODELS = ("kws", "ic", "vww", "ad")


def _litert(path: Path, samples: NDArray[Any]) -> NDArray[Any]:
    interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)
    interpreter.allocate_tensors()
    answers = []
    for sample in samples:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy())
    return numpy.stack(answers)


def _samples(shape: tuple[int, ...], count: int) -> NDArray[numpy.int8]:
    return numpy.random.default_rng(5).integers(-128, 128, (count, *shape)).astype(numpy.int8)


@pytest.mark.parametrize("name", MODELS)
def test_integer_interpreter_equals_litert_reference_kernels(name: str, tiny_models: Path) -> None:
    path = tiny_models / f"{name}_int8.tflite"
    graph = simplify(load_model(path))
    samples = _samples(graph.tensor(graph.inputs[0]).shape, 4)
    answers = run(graph, {graph.inputs[0]: samples})[graph.outputs[0]]
    numpy.testing.assert_array_equal(answers, _litert(path, samples))


@pytest.mark.parametrize("name", MODELS)
def test_module_answers_as_litert_does(name: str, tiny_models: Path) -> None:
    path = tiny_models / f"{name}_int8.tflite"
    module = compile_model(path, load_target("cortex-m4f"))
    given_bytes = [
        numpy.frombuffer(content, numpy.int8).reshape(module.inputs[0].shape) for content, _ in module.vectors
    ]
    expected = _litert(path, numpy.stack(given_bytes))
    assert [answer for _, answer in module.vectors] == [row.tobytes() for row in expected]


@pytest.mark.parametrize("name", ["kws", "ic", "ad"])
def test_float_models_are_read_too(name: str, tiny_models: Path) -> None:
    graph = simplify(load_model(tiny_models / f"{name}_float32.tflite"))
    samples = numpy.random.default_rng(2).random((2, *graph.tensor(graph.inputs[0]).shape), dtype=numpy.float32)
    answers = run(graph, {graph.inputs[0]: samples})[graph.outputs[0]]
    expected = _litert(tiny_models / f"{name}_float32.tflite", samples)
    assert numpy.abs(answers - expected).max() < 0.06 * max(1.0, float(numpy.abs(expected).max()))


def test_truncated_file_is_refused(tiny_models: Path) -> None:
    content = (tiny_models / "kws_int8.tflite").read_bytes()
    for length in (8, 100, len(content) // 2, len(content) - 1000):
        with pytest.raises(InvalidInputError):
            load_model(content[:length])


def test_header_alone_is_refused() -> None:
    with pytest.raises(UnreadableModel):
        load_model(b"\x1c\0\0\0TFL3")


@settings(max_examples=60)
@given(st.data())
def test_damaged_files_give_no_other_error(tiny_models: Path, data: st.DataObject) -> None:
    content = bytearray((tiny_models / "kws_int8.tflite").read_bytes())
    # Structure lies at both ends of the file, weights in between.
    places = st.one_of(st.integers(0, 3000), st.integers(len(content) - 12_000, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidInputError):
        simplify(load_model(bytes(content)))
