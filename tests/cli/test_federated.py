"""`lwm2m-ml federated prepare` works without a server; plans are read before anybody is asked."""

import json
from importlib import resources
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner, Result

from lwm2m_ml.cli.main import app
from lwm2m_ml.compiler.errors import NotTrainable
from lwm2m_ml.errors import UsageError


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """The smallest shipped model, with its calibration data beside it."""
    shipped = resources.files("lwm2m_ml.service.zoo") / "shipped" / "digits"
    for name in ("digits-small.onnx", "calibration.npz"):
        (tmp_path / name).write_bytes((shipped / name).read_bytes())
    return tmp_path / "digits-small.onnx"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["federated", *arguments])


def test_a_model_is_marked_and_stays_the_same_otherwise(digits: Path) -> None:
    calibration = digits.with_name("calibration.npz")
    done = run("prepare", str(digits), "--calibration", str(calibration), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["layers"], told["parameters"]) == (1, 10 * 97)
    marked, plain = onnx.load(told["model"]), onnx.load(digits)
    assert marked.graph == plain.graph
    assert {entry.key: entry.value for entry in marked.metadata_props}["lwm2m-ml.trainable-layers"] == "1"


def test_layers_that_cannot_be_trained_are_named(digits: Path) -> None:
    done = run("prepare", str(digits), "--layers", "2", "--calibration", str(digits.with_name("calibration.npz")))
    assert isinstance(done.exception, NotTrainable)
    assert "cannot be trained on a device" in done.exception.message


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(bytes(4) + b"TFL3" + bytes(100))
    done = run("prepare", str(file))
    assert isinstance(done.exception, NotTrainable)
    assert "ONNX" in done.exception.message


@pytest.mark.parametrize(("content", "words"), [("rounds = ", "is not TOML"), (None, "cannot be read")])
def test_a_plan_that_cannot_be_read_is_told_before_anybody_is_asked(
    tmp_path: Path, content: str | None, words: str
) -> None:
    plan = tmp_path / "plan.toml"
    if content is not None:
        plan.write_text(content)
    done = run("start", "reader", "--plan", str(plan), "--server", "http://127.0.0.1:1")
    assert isinstance(done.exception, UsageError)
    assert words in done.exception.message
