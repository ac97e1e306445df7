"""A proof says what a module was compared with, and nothing passes that differs."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.backends.native.tuning import best_design
from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import integer_graph
from lwm2m_ml.compiler.errors import ProofFailed
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.ir import Graph, Quantization
from lwm2m_ml.compiler.proof import INTERPRETER, prove
from lwm2m_ml.compiler.reference import litert
from lwm2m_ml.compiler.targets import load_target

Floats = NDArray[numpy.float32]


def test_onnx_model_is_compared_with_the_interpreter(digits_network: bytes) -> None:
    assert compile_model(digits_network, load_target("rv32imc")).compared_with == (INTERPRETER,)


def test_quantised_tflite_model_is_compared_with_litert_too(tiny_models: Path) -> None:
    module = compile_model(tiny_models / "kws_int8.tflite", load_target("cortex-m4f"))
    assert module.compared_with == (INTERPRETER, "LiteRT BUILTIN_REF")
    assert module.exact


def test_file_that_crashes_litert_leaves_the_interpreter(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert, "_WORKER", "no.such.module")
    module = compile_model(tiny_models / "ad_int8.tflite", load_target("cortex-m4f"))
    assert module.compared_with == (INTERPRETER,)


def test_litert_gives_nothing_for_bytes_that_are_no_model() -> None:
    sample = numpy.zeros((1, 1, 4), numpy.int8)
    unit = Quantization.per_tensor(1.0, 0)
    assert litert.litert_answers(b"\x1c\0\0\0TFL3" + bytes(64), [sample], [unit], [unit]) is None


def test_difference_from_litert_is_told(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_answers = litert.litert_answers

    def shifted(*arguments: object) -> object:
        answers = true_answers(*arguments)  # type: ignore[arg-type]
        assert answers is not None
        return [(answer.astype(numpy.int16) + 2).astype(numpy.int8) for answer in answers]

    monkeypatch.setattr(litert, "litert_answers", shifted)
    module = compile_model(tiny_models / "ad_int8.tflite", load_target("cortex-m4f"))
    assert (module.exact, module.max_abs_diff) == (False, 2)


def test_module_of_another_graph_fails(digits_network: bytes, digits_samples: Floats) -> None:
    target = load_target("cortex-m4f")
    graph, _ = integer_graph(digits_network, digits_samples, "litert")
    payload = best_design(graph, target, "balanced").payload()
    name = next(name for name, tensor in graph.tensors.items() if tensor.is_constant and tensor.elements > 100)
    changed = -graph.tensor(name).values
    other = graph.with_tensors([replace(graph.tensor(name), data=changed)])
    inputs = {graph.inputs[0]: numpy.full((1, *graph.tensor(graph.inputs[0]).shape), 90, numpy.int8)}
    assert prove(graph, payload, target, inputs).exact
    assert _differ(graph, other, inputs)
    with pytest.raises(ProofFailed, match="differs from the"):
        prove(other, payload, target, inputs)


def _differ(one: Graph, other: Graph, inputs: dict[str, NDArray[numpy.int8]]) -> bool:
    output = one.outputs[0]
    return not numpy.array_equal(run(one, inputs)[output], run(other, inputs)[output])
