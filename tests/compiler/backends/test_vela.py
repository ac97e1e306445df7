"""Modules for Ethos-U: refused until unproved ones are allowed, and then with figures that are called estimates."""

from pathlib import Path

import numpy
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import evaluate
from lwm2m_ml.compiler.errors import Unproved, UnsupportedTarget
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.targets import load_target

pytest.importorskip("ethosu.vela")

Floats = NDArray[numpy.float32]
TARGET = "mps3-an547"


def _border(module: CompiledModule) -> list[tuple[list[int], int, float, int]]:
    """Shape, type, scale and zero point of the file's inputs and outputs."""
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(module.payload, 0)).subgraphs[0]
    tensors = [graph.tensors[number] for number in (*graph.inputs, *graph.outputs)]
    return [
        (list(each.shape), each.type, float(each.quantization.scale[0]), int(each.quantization.zeroPoint[0]))
        for each in tensors
    ]


def _check(module: CompiledModule) -> None:
    assert "ethos-u" in module.operators
    # The command stream begins with its magic number (ethos-u core driver, ethosu_driver.c).
    assert b"COP1" in module.payload
    assert (module.proved, module.exact, module.max_abs_diff) == (False, False, None)
    assert module.cost.basis == "estimated"
    assert "Vela's performance model" in module.cost.source
    assert module.cost.latency_seconds is not None
    assert 1e-7 < module.cost.latency_seconds < 0.1
    facts = [(list(fact.shape), schema.TensorType.INT8, fact.scale, fact.zero_point) for fact in module.inputs]
    facts += [(list(fact.shape), schema.TensorType.INT8, fact.scale, fact.zero_point) for fact in module.outputs]
    for found, expected in zip(_border(module), facts, strict=True):
        assert (*found[:2], found[3]) == (*expected[:2], expected[3])
        assert found[2] == pytest.approx(expected[2])


def test_unproved_module_is_refused_by_default(digits_network: bytes) -> None:
    with pytest.raises(Unproved, match="Nothing here executes modules for ethos-u55"):
        compile_model(digits_network, load_target(TARGET), backend="vela")


def test_digits(digits_network: bytes, digits_samples: Floats) -> None:
    module = compile_model(
        digits_network,
        load_target(TARGET),
        backend="vela",
        calibration=digits_samples,
        inputs=digits_samples[:3],
        allow_unproved=True,
    )
    _check(module)
    # What the device has to answer is known all the same.
    reference = evaluate(digits_network, digits_samples, digits_samples[:3])
    assert [answer for _, answer in module.vectors] == [row.tobytes() for row in reference]


def test_keyword_spotting(tiny_models: Path) -> None:
    module = compile_model(tiny_models / "kws_int8.tflite", load_target(TARGET), backend="vela", allow_unproved=True)
    _check(module)
    assert module.operators == ("ethos-u",)


def test_device_without_the_unit_is_refused(digits_network: bytes) -> None:
    with pytest.raises(UnsupportedTarget, match="nrf52840 has none of the units that it compiles for"):
        compile_model(digits_network, load_target("nrf52840"), backend="vela")
