"""The whole search on a small model; with training marked slow, for TensorFlow takes its time to start."""

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from lwm2m_ml.compiler.compilation import float_graph
from lwm2m_ml.compiler.datasets import Dataset
from lwm2m_ml.compiler.errors import CalibrationError, TrainingFailed
from lwm2m_ml.compiler.interpreter import run
from lwm2m_ml.compiler.quantize.settings import Precision
from lwm2m_ml.compiler.shrink import search as search_module
from lwm2m_ml.compiler.shrink.card import write_card
from lwm2m_ml.compiler.shrink.plan import ShrinkPlan, Strategy, split
from lwm2m_ml.compiler.shrink.plot import draw_front
from lwm2m_ml.compiler.shrink.progress import Progress
from lwm2m_ml.compiler.shrink.search import Search, write_results
from lwm2m_ml.compiler.shrink.training import train
from lwm2m_ml.compiler.shrink.variant import front
from lwm2m_ml.errors import UsageError
from lwm2m_ml.service.zoo.card import read_model

Floats = NDArray[numpy.float32]
PLAN = ShrinkPlan(
    targets=("cortex-m4f",),
    levels=(50,),
    strategies=(Strategy.SENSITIVE,),
    precisions=(Precision.INT8,),
    optimize="balanced",
    trains=False,
)


def _data(model: bytes, count: int, seed: int) -> Dataset:
    """Random images with the model's own answers as labels."""
    graph = float_graph(model)
    shape = graph.tensor(graph.inputs[0]).shape
    samples = numpy.random.default_rng(seed).random((count, *shape), dtype=numpy.float32)
    answers = run(graph, {graph.inputs[0]: samples})[graph.outputs[0]]
    return Dataset(samples, answers.reshape(count, -1).argmax(axis=1))


def test_search_measures_resumes_and_writes(
    digits_network: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Progress] = []
    parts = _data(digits_network, 60, 1), _data(digits_network, 80, 2)
    search = Search("net", digits_network, *parts, PLAN, tmp_path, report=seen.append)
    variants = search.run()
    assert [variant.name for variant in variants] == ["net-100-int8", "net-50s-int8"]
    whole, half = variants
    assert whole.float_accuracy == 100
    assert half.weights < 0.7 * whole.weights
    assert half.targets["cortex-m4f"].flash_bytes < whole.targets["cortex-m4f"].flash_bytes
    assert seen[0].done == 0
    assert seen[0].seconds_left is None
    assert seen[-1].done == seen[-1].total
    monkeypatch.setattr(search_module, "compile_model", None)
    monkeypatch.setattr(search_module, "measure_sensitivity", None)
    assert Search("net", digits_network, *parts, PLAN, tmp_path).run() == variants
    _check_files(search, tmp_path)


def _check_files(search: Search, folder: Path) -> None:
    variants = search.run()
    assert len(json.loads(write_results(variants, folder).read_text(encoding="utf-8"))) == len(variants)
    best = front(variants, "cortex-m4f")
    card = tomllib.loads(write_card(folder, "net", best, ("a", "b")).read_text(encoding="utf-8"))
    assert [entry["name"] for entry in card["variants"]] == [variant.name for variant in best]
    for entry in card["variants"]:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    assert read_model(folder).model.name == "net"
    pictures = draw_front(variants, ["cortex-m4f"], search.whole, folder)
    with Image.open(pictures[0]) as image:
        assert image.width > 600
    first = pictures[1].read_text(encoding="utf-8")
    assert "<svg" in first
    draw_front(variants, ["cortex-m4f"], search.whole, folder)
    assert pictures[1].read_text(encoding="utf-8") == first


def test_other_data_are_another_search(digits_network: bytes) -> None:
    parts = _data(digits_network, 20, 1), _data(digits_network, 20, 2)
    digests = {
        PLAN.digest(digits_network, parts),
        PLAN.digest(digits_network, parts[::-1]),
        PLAN.digest(b"other", parts),
        replace(PLAN, epochs=3).digest(digits_network, parts),
    }
    assert len(digests) == 4


def test_split_takes_a_quarter_of_every_class() -> None:
    labels = numpy.repeat([0, 1, 2], [40, 20, 12])
    first, second = split(Dataset(numpy.arange(72, dtype=numpy.float32)[:, None], labels))
    assert second.labels is not None
    assert numpy.bincount(second.labels).tolist() == [10, 5, 3]
    assert sorted([*first.samples[:, 0], *second.samples[:, 0]]) == list(range(72))


def test_split_of_unlabelled_samples_says_what_is_needed() -> None:
    with pytest.raises(CalibrationError, match="labels"):
        split(Dataset(numpy.zeros((50, 1), numpy.float32), None))


def test_senseless_plans_are_refused() -> None:
    with pytest.raises(UsageError):
        ShrinkPlan(targets=())
    with pytest.raises(UsageError):
        ShrinkPlan(targets=("a",), levels=(0,))


def test_training_without_labels_is_refused(digits_network: bytes) -> None:
    graph = float_graph(digits_network)
    with pytest.raises(TrainingFailed, match="labels"):
        train(graph, graph, Dataset(numpy.zeros((4, 1, 1, 8, 8), numpy.float32), None), ())
