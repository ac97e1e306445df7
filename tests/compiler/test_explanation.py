"""An explanation adds up to the module that it explains."""

import pytest

from lwm2m_ml.compiler.backends.interface import ArenaBuffer
from lwm2m_ml.compiler.explanation import explain, live_bytes
from lwm2m_ml.compiler.targets import load_target

# C compilers treat a function that can be left after any layer a little differently.
_TOLERANCE = 0.03


@pytest.mark.parametrize("target", ["cortex-m4f", "rv32imc", "wasm32"])
def test_layers_add_up_to_the_module(target: str, digits_network: bytes) -> None:
    explanation = explain(digits_network, load_target(target))
    module, layers = explanation.module, explanation.layers
    assert sum(layer.fact.macs for layer in layers) == module.macs
    total = sum(layer.instructions for layer in layers)
    assert total == pytest.approx(module.instructions, rel=_TOLERANCE)
    assert all(0 < layer.live_bytes <= module.arena_bytes for layer in layers)


def test_peak_is_what_the_plan_cannot_go_below(digits_network: bytes) -> None:
    explanation = explain(digits_network, load_target("cortex-m4f"))
    assert explanation.layers[explanation.peak].live_bytes == max(layer.live_bytes for layer in explanation.layers)
    assert explanation.layers[explanation.peak].live_bytes <= explanation.module.arena_bytes


def test_shared_bytes_count_once() -> None:
    buffers = (ArenaBuffer("a", 0, 10, 0, 2), ArenaBuffer("b", 5, 10, 2, 3), ArenaBuffer("c", 30, 5, 2, 2))
    assert [live_bytes(buffers, step) for step in range(5)] == [10, 10, 20, 10, 0]
