"""What the digest of a plan covers, and what it does not."""

from dataclasses import replace
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler import compile as compile_model
from lwm2m_ml.compiler.facts import CompiledModule
from lwm2m_ml.compiler.passes.pipeline import SIMPLIFY
from lwm2m_ml.compiler.plan_digest import plan_digest
from lwm2m_ml.compiler.targets import load_target


@pytest.fixture(scope="module")
def module(digits_network: bytes, digits_samples: NDArray[numpy.float32]) -> CompiledModule:
    return compile_model(digits_network, load_target("cortex-m4f"), calibration=digits_samples)


@pytest.mark.parametrize(
    "change",
    [
        lambda module: {"optimize": "size"},
        lambda module: {"reference": "tflm"},
        lambda module: {"compiler": "another"},
        lambda module: {"layers": (replace(module.layers[0], kernel="another"), *module.layers[1:])},
        lambda module: {"buffers": (replace(module.buffers[0], offset=64), *module.buffers[1:])},
        lambda module: {"payload": module.payload + b"\0"},
    ],
    ids=["options", "rounding", "version", "kernel", "memory", "code"],
)
def test_another_decision_gives_another_digest(module: CompiledModule, change: Any) -> None:
    assert plan_digest(replace(module, **change(module))) != plan_digest(module)


def test_another_pass_gives_another_digest(module: CompiledModule, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan_digest(module)
    monkeypatch.setattr("lwm2m_ml.compiler.plan_digest.SIMPLIFY", SIMPLIFY[1:])
    assert plan_digest(module) != before


def test_what_was_measured_is_no_part_of_it(module: CompiledModule) -> None:
    assert plan_digest(replace(module, instructions=1, stack_bytes=1, vectors=())) == plan_digest(module)
