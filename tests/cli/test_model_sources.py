"""Models to add: MLflow models as MLflow writes them, and how they get into the zoo of a running server."""

import asyncio
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lwm2m_ml.app import running
from lwm2m_ml.cli.model_sources import ModelSource, read_source, upload
from lwm2m_ml.client.client import Client
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import InvalidInputError, UsageError

GIVEN: dict[str, Any] = {
    "name": "",
    "version": "",
    "variant": "",
    "labels": [],
    "accuracy": None,
    "description": "",
    "licence": "",
}

# What `mlflow.onnx.save_model` of MLflow 3.17.2 wrote for the model below, but for paths of its environments.
MLMODEL = """\
flavors:
  onnx:
    code: null
    data: model.onnx
    onnx_session_options: null
    onnx_version: 1.23.2
    providers:
    - CUDAExecutionProvider
    - CPUExecutionProvider
  python_function:
    data: model.onnx
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.onnx
    python_version: 3.11.7
metadata:
  labels:
  - 0
  - 1
  - 2
  name: meter
  version: 2.1
mlflow_version: 3.17.2
model_id: null
model_size_bytes: 124
model_uuid: 60e505a82cc4405b90f1b0b41a5c5c45
prompts: null
utc_time_created: '2026-11-30 08:32:56.981538'
"""
KERAS = "flavors:\n  keras:\n    data: data\n    keras_backend: tensorflow\n    save_exported_model: false\n"
BY_MLFLOW = """\
import sys, mlflow.onnx, onnx
metadata = {"name": "meter", "version": "2.1", "labels": ["0", "1", "2"]}
mlflow.onnx.save_model(onnx.load(sys.argv[1]), sys.argv[2], metadata=metadata)
"""


def onnx_model(operator: str = "Gemm") -> bytes:
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"], **({"transB": 1} if operator == "Gemm" else {}))],
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(numpy.eye(3, 2, dtype=numpy.float32), "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An MLflow model of the flavour ONNX."""
    return written(
        tmp_path / "artifact", MLMODEL, {"model.onnx": onnx_model(), "conda.yaml": b"", "python_env.yaml": b""}
    )


def written(folder: Path, mlmodel: str, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    (folder / "MLmodel").write_text(mlmodel, encoding="utf-8")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(source: Path, **given: Any) -> ModelSource:
    return read_source(str(source), {**GIVEN, **given}, None, "")


def test_an_mlflow_model_says_what_it_is_and_names_its_file(folder: Path) -> None:
    digest = hashlib.sha256(onnx_model()).hexdigest()
    source = read(folder)
    assert source.document == {
        "name": "meter",
        "version": "2.1",
        "labels": ["0", "1", "2"],
        "data": "imported from an MLflow model",
        "variants": [{"name": "meter", "digest": digest}],
    }
    assert source.files == {digest: folder / "model.onnx"}


def test_what_is_given_wins_over_what_mlflow_says(folder: Path) -> None:
    document = read(folder, name="gauge", version="3.0", labels=["a"], accuracy=98.5).document
    assert (document["name"], document["version"], document["labels"]) == ("gauge", "3.0", ["a"])
    assert document["variants"][0]["name"] == "gauge"
    assert document["variants"][0]["accuracy"] == 98.5


def test_run_and_model_id_of_a_tracked_model_are_kept(tmp_path: Path) -> None:
    mlmodel = "flavors: {onnx: {data: model.onnx}}\nrun_id: 5b1e\nmodel_id: m-7c0f\n"
    document = read(written(tmp_path / "tracked", mlmodel, {"model.onnx": b"x"}), name="meter").document
    assert (document["version"], document["data"]) == ("m-7c0f", "imported from MLflow run 5b1e")


def test_the_keras_file_is_found_in_the_folder_of_its_flavour(tmp_path: Path) -> None:
    files = {"data/keras_module.txt": b"keras", "data/model.keras": b"x", "requirements.txt": b""}
    source = read(written(tmp_path / "keras", KERAS, files), name="meter", version="1.0")
    assert list(source.files.values()) == [tmp_path / "keras" / "data" / "model.keras"]


@pytest.mark.parametrize(
    ("mlmodel", "files", "message"),
    [
        ("flavors: {sklearn: {}}", {}, "cannot be read (sklearn)"),
        ("{}", {}, "cannot be read (none)"),
        ("flavors: [onnx]", {}, "flavors is no mapping"),
        ("flavors: {onnx: 1}", {}, "onnx is no mapping"),
        ("[]", {}, "does not describe a model"),
        ("a: [", {}, "is not YAML"),
        ("flavors: {onnx: {data: gone.onnx}}", {}, "has no model file"),
        ("flavors: {tensorflow: {saved_model_dir: tf2model}}", {"tf2model/saved_model.pb": b""}, "has no model file"),
        (KERAS, {"data/model/saved_model.pb": b""}, "has no model file"),
        ("flavors: {onnx: {data: ../secret}}", {}, "outside of its folder"),
        ("flavors: {onnx: {data: /etc/hostname}}", {}, "outside of its folder"),
        ("flavors: {onnx: {data: m.onnx}}\nmetadata: {name: a b}", {"m.onnx": b""}, "'a b'"),
    ],
)
def test_a_model_that_cannot_be_taken_is_refused_with_the_reason(
    tmp_path: Path, mlmodel: str, files: dict[str, bytes], message: str
) -> None:
    (tmp_path / "secret").write_bytes(b"not yours")
    with pytest.raises(InvalidInputError) as caught:
        read(written(tmp_path / "model", mlmodel, files), version="1.0")
    assert message in caught.value.message


def test_a_model_without_a_name_or_version_asks_for_them(tmp_path: Path) -> None:
    folder = written(tmp_path / "model", "flavors: {onnx: {data: model.onnx}}", {"model.onnx": b"x"})
    with pytest.raises(UsageError, match="name"):
        read(folder)
    with pytest.raises(UsageError, match="version"):
        read(folder, name="meter")


async def test_an_imported_model_is_in_the_zoo_with_what_the_compiler_read(folder: Path, tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path / "data", coap_port=0, coaps_port=0, api_port=0, compile_workers=1)
    broken = written(tmp_path / "broken", MLMODEL, {"model.onnx": onnx_model("Foo")})
    async with running(settings) as (where, http, listener):
        serving = asyncio.create_task(http.serve(sockets=[listener]))

        def imported() -> None:
            with Client(where.api, where.first_token or "") as client:
                upload(client, read(folder, accuracy=97.0))
                model = client.model("meter")
                (variant,) = model.variants
                assert (model.version, model.labels) == ("2.1", ["0", "1", "2"])
                assert (variant.name, variant.accuracy) == ("meter", 97.0)
                assert variant.weights == 6 + 3  # biases, which the compiler adds
                with pytest.raises(ApiError, match="Foo"):
                    upload(client, read(broken, version="2.2"))
                assert [one.version for one in client.model_versions("meter")] == ["2.1"]

        await asyncio.to_thread(imported)
        http.should_exit = True
        await serving


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed: it is an extra")
def test_what_mlflow_itself_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(onnx_model())
    command = [sys.executable, "-c", BY_MLFLOW, str(tmp_path / "model.onnx"), str(tmp_path / "saved")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    source = read(tmp_path / "saved")
    assert (source.document["name"], source.document["labels"]) == ("meter", ["0", "1", "2"])
    (file,) = source.files.values()
    assert onnx.load(file) == onnx.load(tmp_path / "model.onnx")
