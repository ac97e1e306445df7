"""`lwm2m-ml quantize`, `shrink`, and what `compile` and `inspect` say of models, as a user types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

# The class hangs on a small difference of large numbers, which 8 bits of the first layer cannot hold.
_FIRST = numpy.array([[1, 0], [0, 1], [300, 0]], numpy.float32)
_SECOND = numpy.array([[40, -40, 0], [-40, 40, 0]], numpy.float32)


def lwm2m_ml(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lwm2m_ml", *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if name not in ("LWM2M_ML_DEBUG", "LWM2M_ML_SERVER")}
    return subprocess.run(command, env=clean, cwd=folder, capture_output=True, text=True, timeout=110, check=False)


def _model(operator: str = "Softmax") -> bytes:
    node = helper.make_node
    nodes = [
        node("Gemm", ["x", "a"], ["1"], transB=1),
        node("Relu", ["1"], ["2"]),
        node("Gemm", ["2", "b"], ["3"], transB=1),
        node(operator, ["3"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(_FIRST, "a"), numpy_helper.from_array(_SECOND, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delicate model and labelled samples as .npz and .csv."""
    place = tmp_path_factory.mktemp("models")
    (place / "model.onnx").write_bytes(_model())
    (place / "strange.onnx").write_bytes(_model("LayerNormalization"))
    samples = numpy.random.default_rng(1).random((200, 2), dtype=numpy.float32)
    labels = (samples[:, 1] > samples[:, 0]).astype(int)
    numpy.savez(place / "data.npz", samples=samples, labels=labels)
    numpy.savez(place / "plain.npz", samples=samples)
    rows = [f"{a},{b},{label}" for (a, b), label in zip(samples, labels, strict=True)]
    (place / "data.csv").write_text("\n".join(["left,right,label", *rows]), encoding="utf-8")
    return place


def test_quantize_reports_accuracy_and_noise(folder: Path) -> None:
    done = lwm2m_ml("quantize", "model.onnx", "--data", "data.csv", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["float_accuracy_percent"] == 100
    assert report["loss_points"] > 2
    assert {layer["precision"] for layer in report["layers"]} == {"int8"}
    assert report["fallbacks"] == {}


def test_quantize_falls_back_and_says_so(folder: Path) -> None:
    done = lwm2m_ml("quantize", "model.onnx", "--data", "data.npz", "--max-accuracy-loss", "1", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "Fell back for the sake of accuracy: 2 (int16x8)" in done.stdout


def test_compile_falls_back_too(folder: Path) -> None:
    done = lwm2m_ml(
        *("compile", "model.onnx", "-t", "cortex-m4f", "--calibration", "data.npz", "--max-accuracy-loss", "1"),
        *("--json", "-o", "out"),
        folder=folder,
    )
    assert done.returncode == 0, done.stderr
    assert "int16x8" in done.stderr
    assert json.loads(done.stdout)["exact"] is True


def test_labels_are_asked_for(folder: Path) -> None:
    done = lwm2m_ml("quantize", "model.onnx", "--data", "plain.npz", "--max-accuracy-loss", "1", folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "labels" in done.stderr


def test_inspect_tells_what_would_help(folder: Path) -> None:
    done = lwm2m_ml("inspect", "strange.onnx", "--json", folder=folder)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["unsupported"] == {"LayerNormalization": 1}
    assert "batch normalisation" in found["advice"]["LayerNormalization"]
    assert "batch normalisation" in lwm2m_ml("inspect", "strange.onnx", folder=folder).stderr


def test_shrink_without_training_measures_and_goes_on_where_it_was(folder: Path) -> None:
    command = ("shrink", "model.onnx", "--data", "data.npz", "--targets", "cortex-m4f", "--levels", "70", "--no-train")
    more = ("--precisions", "int8", "--optimize", "balanced", "-o", "shrunk", "--json")
    first, again = (lwm2m_ml(*command, *more, folder=folder) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    variants = json.loads(first.stdout)["variants"]
    assert [variant["variant"] for variant in variants] == ["model-100-int8", "model-70s-int8", "model-70u-int8"]
    written = {path.name for path in (folder / "shrunk").iterdir()}
    assert {
        "card.toml",
        "results.json",
        "pareto.png",
        "pareto.svg",
        "calibration.npz",
        "model-100-int8.onnx",
    } <= written


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--data", "plain.npz", "--targets", "cortex-m4f"), "labels"),
        (("--data", "data.npz", "--targets", "nothing"), "nothing"),
        (("--data", "data.npz", "--targets", ""), "Nothing to search for"),
        (("--data", "data.npz", "--targets", "cortex-m4f", "--levels", "half"), "whole numbers"),
        (("--data", "data.npz", "--targets", "cortex-m4f", "--precisions", "int3"), "int3"),
        (("--data", "absent.npz", "--targets", "cortex-m4f"), "absent.npz"),
    ],
)
def test_wrong_wishes_to_shrink_are_one_sentence(arguments: tuple[str, ...], told: str, folder: Path) -> None:
    done = lwm2m_ml("shrink", "model.onnx", *arguments, folder=folder)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_model_is_compiled_in_the_precision_that_it_declares(folder: Path) -> None:
    model = onnx.load_model_from_string(_model())
    model.metadata_props.add(key="lwm2m-ml.precision", value="float32")
    (folder / "declared.onnx").write_bytes(model.SerializeToString())
    done = lwm2m_ml("compile", "declared.onnx", "-t", "cortex-m4f", "--json", "-o", "declared", folder=folder)
    assert done.returncode == 0, done.stderr
    facts = json.loads((folder / "declared" / "module.json").read_text(encoding="utf-8"))
    assert facts["outputs"][0]["dtype"] == "float32"
