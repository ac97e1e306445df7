"""A whole compilation: proved on every core, deterministic, close to the float model, clear about bad input."""

import subprocess
import sys

import numpy
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from lwm2m_ml.compiler.compilation import compile as compile_model
from lwm2m_ml.compiler.compilation import evaluate
from lwm2m_ml.compiler.emulator import open_runner
from lwm2m_ml.compiler.errors import CalibrationError, ProofFailed, UnreadableModel, UnsupportedTarget
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import Lwm2mMlError, UsageError

CORES = ("cortex-m0plus", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc", "wasm32", "host")
Floats = NDArray[numpy.float32]


def _float_answers(model: bytes, samples: Floats) -> Floats:
    session = onnxruntime.InferenceSession(model)
    return numpy.stack([session.run(None, {"x": sample})[0] for sample in samples])


@pytest.mark.parametrize("core", CORES)
def test_module_answers_as_the_integer_reference_on_every_core(
    core: str, digits_network: bytes, digits_samples: Floats
) -> None:
    module = compile_model(digits_network, load_target(core), calibration=digits_samples, inputs=digits_samples[:6])
    assert module.exact
    assert module.max_abs_diff == 0
    assert len(module.vectors) == 6
    reference = evaluate(digits_network, digits_samples, digits_samples[:6])
    assert [answer for _, answer in module.vectors] == [row.tobytes() for row in reference]


def test_facts_are_those_of_the_payload(digits_network: bytes, digits_samples: Floats) -> None:
    module = compile_model(digits_network, load_target("cortex-m4f"), calibration=digits_samples)
    (given,), (answered,) = module.inputs, module.outputs
    assert module.flash_bytes == len(module.payload)
    assert module.ram_bytes == module.arena_bytes + module.stack_bytes
    assert module.lower_bound_arena_bytes <= module.arena_bytes
    assert module.weight_bytes < module.flash_bytes
    assert module.instructions is not None
    assert module.instructions > 0
    assert (given.shape, given.dtype, given.bytes) == ((1, 1, 8, 8), "int8", 64)
    assert (answered.scale, answered.zero_point, answered.bytes) == (1 / 256, -128, 10)
    assert given.quantize(digits_samples[0]).tobytes() == module.vectors[0][0]


def test_macs_count_every_multiplication_with_a_weight(digits_network: bytes, digits_samples: Floats) -> None:
    module = compile_model(digits_network, load_target("cortex-m4f"), calibration=digits_samples)
    assert module.macs == 64 * 4 * 9 + 16 * 8 * 4 * 9 + 16 * 8 * 9 + 10 * 32


def test_same_input_gives_the_same_bytes(digits_network: bytes, digits_samples: Floats) -> None:
    target = load_target("rv32imc")
    first, second = (compile_model(digits_network, target, calibration=digits_samples) for _ in range(2))
    assert first == second


def test_integer_answers_are_close_to_the_float_model(digits_network: bytes, digits_samples: Floats) -> None:
    expected = _float_answers(digits_network, digits_samples)
    answers = (evaluate(digits_network, digits_samples, digits_samples).astype(float) + 128) / 256
    noise = ((answers - expected) ** 2).sum()
    assert 10 * numpy.log10((expected**2).sum() / noise) > 30
    assert (answers.argmax(-1) == expected.argmax(-1)).mean() > 0.9


def test_without_calibration_data_seeded_samples_are_used(digits_network: bytes) -> None:
    module = compile_model(digits_network, load_target("cortex-m4f"))
    assert module.exact
    assert module.vectors


def test_changed_weight_in_the_payload_is_noticed(
    digits_network: bytes, digits_samples: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tampered(payload: bytes, *arguments: object, **options: object) -> object:
        # Constants lie at the end; the last layer's weights are among them.
        changed = bytearray(payload)
        for position in range(len(changed) - 400, len(changed) - 20):
            changed[position] ^= 0x55
        return open_runner(bytes(changed), *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("lwm2m_ml.compiler.execution.open_runner", tampered)
    with pytest.raises(Lwm2mMlError) as caught:
        compile_model(digits_network, load_target("cortex-m4f"), calibration=digits_samples)
    assert isinstance(caught.value, ProofFailed) or "module" in caught.value.message.lower()


def test_unknown_optimisation_is_a_usage_error(digits_network: bytes) -> None:
    with pytest.raises(UsageError, match="balanced"):
        compile_model(digits_network, load_target("cortex-m4f"), optimize="fastest")


def test_target_without_a_backend_is_named(digits_network: bytes) -> None:
    with pytest.raises(UnsupportedTarget, match="xtensa-lx106"):
        compile_model(digits_network, load_target("xtensa-lx106"))


def test_garbage_is_not_a_model() -> None:
    with pytest.raises(UnreadableModel):
        compile_model(b"not a model at all", load_target("cortex-m4f"))


@pytest.mark.parametrize(
    "samples",
    [
        numpy.zeros((3, 1, 1, 9, 8), numpy.float32),
        numpy.zeros((0, 1, 1, 8, 8), numpy.float32),
        numpy.full((1, 1, 1, 8, 8), numpy.nan, numpy.float32),
        numpy.array([["a"]]),
    ],
)
def test_unusable_calibration_data_are_refused(digits_network: bytes, samples: Floats) -> None:
    with pytest.raises(CalibrationError):
        compile_model(digits_network, load_target("cortex-m4f"), calibration=samples)


def test_names_of_the_model_never_reach_the_source(digits_network: bytes, digits_samples: Floats) -> None:
    model = onnx.load_model_from_string(digits_network)
    evil = '"; system("true"); //\n#include </etc/passwd>'
    for node in model.graph.node:
        node.name = evil
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = name + evil if name not in ("x", "y") else name
    for initializer in model.graph.initializer:
        initializer.name += evil
    plain = compile_model(digits_network, load_target("cortex-m4f"), calibration=digits_samples)
    module = compile_model(model.SerializeToString(), load_target("cortex-m4f"), calibration=digits_samples)
    assert module.payload == plain.payload


def test_importing_the_package_does_not_import_the_heavy_parts() -> None:
    code = "import sys, lwm2m_ml.compiler; sys.exit(any(m in sys.modules for m in ('numpy', 'onnx', 'unicorn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_package_gives_the_calls_on_first_use() -> None:
    code = "from lwm2m_ml.compiler import compile, evaluate\nassert callable(compile) and callable(evaluate)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0
