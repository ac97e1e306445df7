"""The choice of how to build a module: by measured cost, within a budget of modules, the same everywhere."""

from typing import Any

import pytest

from lwm2m_ml.compiler.backends.native import tuning
from lwm2m_ml.compiler.backends.native.design import Design
from lwm2m_ml.compiler.backends.native.tuning import NODE_BUDGET, Cost, best_design, measure
from lwm2m_ml.compiler.ir import Graph, kinds
from lwm2m_ml.compiler.targets import load_target


@pytest.fixture(scope="module")
def graph(layer: Any) -> Graph:
    made: Graph = layer(kinds.Convolution(), [(1, 9, 9, 8)], weights=(6, 3, 3, 8))
    return made


def _cost(graph: Graph, target: str, optimize: str) -> Cost:
    return measure(best_design(graph, load_target(target), optimize))


@pytest.mark.parametrize("target", ["cortex-m4f", "cortex-m0plus", "rv32imc", "wasm32"])
def test_each_objective_is_best_at_what_it_is_for(graph: Graph, target: str) -> None:
    size, balanced, speed = (_cost(graph, target, optimize) for optimize in ("size", "balanced", "speed"))

    def memory(cost: Cost) -> int:
        return cost.flash_bytes + cost.ram_bytes

    assert memory(size) <= min(memory(balanced), memory(speed))
    assert speed.instructions <= min(size.instructions, balanced.instructions)


def test_objectives_really_trade(graph: Graph) -> None:
    size, speed = (_cost(graph, "cortex-m4f", optimize) for optimize in ("size", "speed"))
    assert size.flash_bytes + size.ram_bytes < speed.flash_bytes + speed.ram_bytes
    assert size.instructions > speed.instructions


@pytest.mark.parametrize("optimize", sorted(NODE_BUDGET))
def test_search_builds_no_more_modules_than_its_budget(
    optimize: str, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def counted(design: Design) -> Cost:
        measured.append(design)
        # Ever better: the search would never stop by itself.
        return Cost(10_000 - len(measured), 10_000 - len(measured), 10_000 - len(measured))

    monkeypatch.setattr(tuning, "measure", counted)
    best_design(graph, load_target("cortex-m4f"), optimize)
    assert 1 < len(measured) <= NODE_BUDGET[optimize]


def test_measurement_is_taken_from_the_cache(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("LWM2M_ML_CACHE", str(tmp_path_factory.mktemp("cache")))
    design = best_design(graph, load_target("rv32imc"), "balanced")
    first = measure(design)

    def refused(*_: object) -> Cost:
        raise AssertionError("measured again")

    monkeypatch.setattr(tuning, "_run", refused)
    assert measure(design) == first


def test_no_kernel_is_chosen_that_cannot_compute_its_layer(graph: Graph) -> None:
    for optimize in NODE_BUDGET:
        design = best_design(graph, load_target("cortex-m4f"), optimize)
        assert all(step.kernel.accepts(step.layer) for step in design.steps)
