"""The commands around the compiler, as a user types them: files, JSON, sentences and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper

from lwm2m_ml.module.descriptor import Descriptor
from lwm2m_ml.module.package import build_package
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml.module.tensors import TensorDescriptor

FACTS = {
    "target",
    "backend",
    "flash_bytes",
    "ram_bytes",
    "arena_bytes",
    "stack_bytes",
    "instructions",
    "macs",
    "weight_bytes",
    "lower_bound_arena_bytes",
    "vectors",
    "max_abs_diff",
    "exact",
    "module",
}


def lwm2m_ml(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lwm2m_ml", *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if name not in ("LWM2M_ML_DEBUG", "LWM2M_ML_SERVER")}
    return subprocess.run(command, env=clean, cwd=folder, capture_output=True, text=True, timeout=110, check=False)


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model and inputs for it."""
    place = tmp_path_factory.mktemp("work")
    (place / "model.onnx").write_bytes(_model())
    samples = numpy.random.default_rng(1).random((5, 1, 12), dtype=numpy.float32)
    numpy.savez(place / "calibration.npz", samples=samples)
    numpy.save(place / "inputs.npy", samples[:3])
    (place / "one.bin").write_bytes(samples[0].tobytes())
    return place


def _model(operator: str = "Relu") -> bytes:
    weights = numpy.random.default_rng(2).standard_normal((4, 12)).astype(numpy.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["g"], transB=1), helper.make_node(operator, ["g"], ["y"])],
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def test_compiled_module_is_written_and_its_facts_printed(folder: Path) -> None:
    facts = as_json(
        lwm2m_ml(
            *("compile", "model.onnx", "--target", "nrf52840", "--calibration", "calibration.npz"),
            *("--inputs", "inputs.npy", "one.bin", "-o", "out", "--optimize", "size", "--reference", "tflm", "--json"),
            folder=folder,
        )
    )
    assert facts.keys() >= FACTS
    assert (facts["target"], facts["vectors"], facts["exact"]) == ("nrf52840", 4, True)
    assert (facts["optimize"], facts["reference"]) == ("size", "tflm")
    assert (folder / facts["module"]).stat().st_size == facts["flash_bytes"]


def test_without_json_people_read_the_facts(folder: Path) -> None:
    done = lwm2m_ml("compile", "model.onnx", "--target", "rv32imc", folder=folder)
    assert done.returncode == 0
    assert "integer interpreter" in done.stdout
    assert (folder / "model-rv32imc" / "module.bin").exists()


@pytest.mark.parametrize("target", ["rv32imc", "wasm32", "host"])
def test_module_runs_as_it_was_proved(target: str, folder: Path) -> None:
    compiled = as_json(lwm2m_ml("compile", "model.onnx", "-t", target, "-o", f"run-{target}", "--json", folder=folder))
    vectors = folder / f"run-{target}" / "vectors"
    (answer,) = as_json(
        lwm2m_ml(
            *("run", compiled["module"], "--input", vectors / "00.input.bin", "--input-type", "int8", "--json"),
            folder=folder,
        )
    )
    expected = numpy.frombuffer((vectors / "00.output.bin").read_bytes(), numpy.int8)
    assert answer["outputs"][0]["integers"] == expected.tolist()
    assert answer["instructions"] <= compiled["instructions"]


def test_float_model_may_stay_one(folder: Path) -> None:
    facts = as_json(
        lwm2m_ml(
            *("compile", "model.onnx", "-t", "cortex-m4f", "--precision", "float32", "--inputs", "one.bin"),
            *("-o", "real", "--json"),
            folder=folder,
        )
    )
    assert facts["inputs"][0]["dtype"] == "float32"
    (answer,) = as_json(lwm2m_ml("run", "real", "--input", "one.bin", "--json", folder=folder))
    expected = numpy.frombuffer((folder / "real" / "vectors" / "00.output.bin").read_bytes(), "<f4")
    assert answer["outputs"][0]["values"] == pytest.approx(expected.tolist())


def test_package_runs_too(folder: Path) -> None:
    facts = as_json(lwm2m_ml("compile", "model.onnx", "-t", "cortex-m4f", "-o", "packed", "--json", folder=folder))
    (folder / "module.package").write_bytes(_package(folder / facts["module"], facts))
    (answer,) = as_json(lwm2m_ml("run", "module.package", "--input", "one.bin", "--json", folder=folder))
    (direct,) = as_json(lwm2m_ml("run", "packed", "--input", "one.bin", "--json", folder=folder))
    assert answer == direct


def _package(payload: Path, facts: dict[str, Any]) -> bytes:
    def tensors(found: list[dict[str, Any]]) -> tuple[TensorDescriptor, ...]:
        return tuple(
            TensorDescriptor(t["name"], tuple(t["shape"]), t["dtype"], t["scale"], t["zero_point"], t["offset"])
            for t in found
        )

    descriptor = Descriptor(
        model_id=bytes(16),
        model_name="model",
        model_version="1",
        variant="only",
        target=facts["target"],
        flash_bytes=facts["flash_bytes"],
        arena_bytes=facts["arena_bytes"],
        stack_bytes=facts["stack_bytes"],
        instructions=facts["instructions"],
        inputs=tensors(facts["inputs"]),
        outputs=tensors(facts["outputs"]),
    )
    return build_package(
        payload.read_bytes(),
        descriptor,
        key=SigningKey.generate(),
        vendor_id=bytes(16),
        class_id=bytes(16),
        component=[b"m"],
        sequence_number=1,
    )


def test_explanation_names_the_peak_and_draws_the_plan(folder: Path) -> None:
    facts = as_json(
        lwm2m_ml("explain", "model.onnx", "-t", "cortex-m0plus", "--draw", "plan.svg", "--json", folder=folder)
    )
    assert {"kernel", "result_shape", "macs", "instructions", "weight_bytes", "ram_bytes"} <= facts["layers"][0].keys()
    assert 0 <= facts["peak_layer"] < len(facts["layers"])
    assert (folder / "plan.svg").read_text().startswith("<svg")
    assert "← peak" in lwm2m_ml("explain", "model.onnx", "-t", "cortex-m0plus", folder=folder).stdout


def test_inspection_counts_work(folder: Path) -> None:
    facts = as_json(lwm2m_ml("inspect", "model.onnx", "--json", folder=folder))
    assert (facts["format"], facts["macs"], facts["unsupported"]) == ("ONNX", 48, {})
    assert "48 MACs" in lwm2m_ml("inspect", "model.onnx", folder=folder).stdout


def test_inspection_of_an_unsupported_model_names_the_operator_and_ends_with_1(folder: Path) -> None:
    (folder / "odd.onnx").write_bytes(_model("Det"))
    done = lwm2m_ml("inspect", "odd.onnx", folder=folder)
    assert done.returncode == 1
    assert "Det (1)" in done.stderr


def test_targets_are_listed_shown_and_checked(folder: Path) -> None:
    names = [target["name"] for target in as_json(lwm2m_ml("targets", "list", "--json", folder=folder))]
    assert {"cortex-m0plus", "cortex-m4f", "cortex-m7", "rv32imc", "wasm32", "host"} <= set(names)
    assert as_json(lwm2m_ml("targets", "show", "esp32-c3", "--json", folder=folder))["core"] == "rv32imc"
    own = folder / "own.toml"
    own.write_text(_own_target())
    assert as_json(lwm2m_ml("targets", "check", own, "--json", folder=folder))["name"] == "own"
    own.write_text(_own_target(damaged=True))
    done = lwm2m_ml("targets", "check", own, folder=folder)
    assert done.returncode != 0
    assert "surprise" in done.stderr


def _own_target(*, damaged: bool = False) -> str:
    shipped = Path(__file__).parents[2] / "lwm2m_ml" / "compiler" / "targets" / "mcus" / "nrf52840.toml"
    text = shipped.read_text("utf-8").replace('"nrf52840"', '"own"')
    return "surprise = 1\n" + text if damaged else text


def test_target_may_be_a_file(folder: Path) -> None:
    (folder / "own.toml").write_text(_own_target())
    facts = as_json(lwm2m_ml("compile", "model.onnx", "-t", "own.toml", "-o", "owned", "--json", folder=folder))
    assert facts["target"] == "own"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("compile", "none.onnx", "-t", "cortex-m4f"), 2, "none.onnx"),
        (("compile", "model.onnx", "-t", "cortex-m99"), 2, "cortex-m99"),
        (("compile", "model.onnx", "-t", "xtensa-lx106"), 1, "xtensa-lx106"),
        (("compile", "model.onnx", "-t", "cortex-m4f", "--optimize", "fastest"), 2, "fastest"),
        (("compile", "model.onnx", "-t", "cortex-m4f", "--reference", "torch"), 2, "torch"),
        (("compile", "model.onnx", "-t", "cortex-m4f", "--inputs", "model.onnx"), 1, "model.onnx has"),
        (("compile", "one.bin", "-t", "cortex-m4f"), 1, "ONNX"),
        (("explain", "model.onnx", "-t", "cortex-m4f", "--draw", "x.gif"), 2, ".svg or .png"),
        (("run", "nowhere", "--input", "one.bin"), 2, "nowhere"),
        (("run", "one.bin", "--input", "one.bin"), 1, "SUIT envelope"),
        (("targets", "show", "z80"), 2, "z80"),
        (("targets", "check", "none.toml"), 2, "none.toml"),
        (("inspect", "one.bin"), 1, "ONNX"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, folder: Path
) -> None:
    done = lwm2m_ml(*arguments, folder=folder)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_backends_are_compared_and_written(folder: Path) -> None:
    arguments = ("compile", "model.onnx", "-t", "rp2040", "--calibration", "calibration.npz")
    compared = as_json(lwm2m_ml(*arguments, "--backend", "all", "-o", "all", "--json", folder=folder))
    found = {each["backend"]: each for each in compared}
    assert compared[0]["backend"] == "native"
    assert {name for name, each in found.items() if each["compiled"]} >= {"native", "wasm", "tflite", "c"}
    assert all(Path(folder, each["module"]).is_file() for each in compared if each["compiled"])
    assert "units" in found["vela"]["reason"] or "not installed" in found["vela"]["reason"]
    assert {found["native"]["cost"]["basis"], found["tflite"]["cost"]["basis"]} == {"measured", "estimated"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--target", "rp2040", "--backend", "nobody"), 2, "No backend is named 'nobody'"),
        (("--target", "esp32"), 1, "--backend tflite, c or wasm"),
        (("--target", "rp2040", "--backend", "tflite", "--reference", "tflm"), 2, "--reference litert"),
    ],
)
def test_backend_that_cannot_serve_is_a_sentence(
    arguments: tuple[str, ...], code: int, words: str, folder: Path
) -> None:
    done = lwm2m_ml("compile", "model.onnx", *arguments, folder=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_model_is_told_once_and_not_by_every_backend(folder: Path) -> None:
    (folder / "damaged.onnx").write_bytes(b"no model")
    done = lwm2m_ml("compile", "damaged.onnx", "--target", "rp2040", "--backend", "all", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "neither ONNX nor TFLite" in done.stderr
