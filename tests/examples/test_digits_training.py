"""The committed digit models are what their card says, and the script that made them still runs."""

import hashlib
import importlib.util
import os
import pathlib
import subprocess
import sys
import tomllib
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest

from lwm2m_ml_simulator.inputs.digits import load_digits_split

ROOT = pathlib.Path(__file__).parents[2]
SHIPPED = ROOT / "lwm2m_ml" / "service" / "zoo" / "shipped" / "digits"
TRAINING_SCRIPT = ROOT / "examples" / "digits" / "train.py"
NAMES = ("digits-small", "digits-medium", "digits-large")


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return tomllib.loads((SHIPPED / "card.toml").read_text(encoding="utf-8"))


def variant_of(card: dict[str, Any], name: str) -> dict[str, Any]:
    return next(variant for variant in card["variants"] if variant["name"] == name)


def float_accuracy_percent(path: pathlib.Path) -> float:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    test = load_digits_split().test
    answers = [session.run(None, {"image": image[numpy.newaxis]})[0].argmax() for image in test.images]
    return float(100 * numpy.mean(numpy.array(answers) == test.labels))


@pytest.mark.parametrize("name", NAMES)
def test_the_accuracy_on_the_card_is_measured(name: str, card: dict[str, Any]) -> None:
    variant = variant_of(card, name)
    assert float_accuracy_percent(SHIPPED / variant["file"]) == pytest.approx(
        variant["test_accuracy_percent"], abs=0.005
    )


def test_the_best_reaches_98_5_percent_and_the_smallest_95(card: dict[str, Any]) -> None:
    accuracies = [variant["test_accuracy_percent"] for variant in card["variants"]]
    assert max(accuracies) >= 98.5
    assert accuracies[0] >= 95


@pytest.mark.parametrize("name", NAMES)
def test_digests_on_the_card_are_those_of_the_files(name: str, card: dict[str, Any]) -> None:
    variant = variant_of(card, name)
    assert hashlib.sha256((SHIPPED / variant["file"]).read_bytes()).hexdigest() == variant["sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_weights_on_the_card_are_those_left_after_folding_batch_normalization(name: str, card: dict[str, Any]) -> None:
    model = onnx.load(SHIPPED / f"{name}.onnx")
    sizes = {constant.name: int(numpy.prod(constant.dims)) for constant in model.graph.initializer}
    folded_away = {
        constant
        for node in model.graph.node
        if node.op_type == "BatchNormalization"
        for constant in (
            node.input[1],
            node.input[3],
            node.input[4],
        )  # scale, mean, variance; the offset becomes a bias
    }
    kept = sum(size for constant, size in sizes.items() if constant not in folded_away)
    assert kept == variant_of(card, name)["weights"]


@pytest.mark.parametrize("name", NAMES)
def test_the_files_keep_batch_normalization_as_nodes_and_take_one_image(name: str) -> None:
    model = onnx.load(SHIPPED / f"{name}.onnx")
    assert model.ir_version == 9
    assert model.opset_import[0].version == 17
    operators = {node.op_type for node in model.graph.node}
    assert operators == {"Conv", "BatchNormalization", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax"}
    (model_input,) = model.graph.input
    assert model_input.name == "image"
    assert [dimension.dim_value for dimension in model_input.type.tensor_type.shape.dim] == [1, 1, 8, 8]


def test_calibration_images_are_the_calibration_part_of_the_split(card: dict[str, Any]) -> None:
    path = SHIPPED / card["calibration"]["file"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["calibration"]["sha256"]
    with numpy.load(path) as archive:
        assert numpy.array_equal(archive[card["calibration"]["array"]], load_digits_split().calibration.images)


def test_a_few_epochs_of_the_small_network_teach_it_something_and_write_a_model(tmp_path: pathlib.Path) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("training needs the extra [tensorflow]")
    options = ["--only", "digits-small", "--epochs", "4", "--output", str(tmp_path)]
    command = [sys.executable, str(TRAINING_SCRIPT), *options]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert completed.returncode == 0, completed.stderr
    card = tomllib.loads((tmp_path / "card.toml").read_text(encoding="utf-8"))
    assert [variant["name"] for variant in card["variants"]] == ["digits-small"]
    accuracy = float_accuracy_percent(tmp_path / "digits-small.onnx")
    assert accuracy == pytest.approx(card["variants"][0]["test_accuracy_percent"], abs=0.005)
    assert accuracy > 50
