from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.package import verify_package
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.errors import MachineFailure
from lwm2m_ml_simulator.processor.machine import ModuleMachine, dequantise, quantise

INT8 = TensorDescriptor("x", (4,), "int8", 1 / 255, -128, 0)


def test_quantisation_rounds_half_to_even_and_saturates() -> None:
    half = numpy.array([0.5, 1.5, 2.5, -900.0], dtype=numpy.float32)
    tensor = TensorDescriptor("x", (4,), "int8", 1.0, 0, 0)
    assert numpy.frombuffer(quantise(half, tensor), numpy.int8).tolist() == [0, 2, 2, -128]


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_dequantisation_is_half_a_step_off_at_most(values: list[float]) -> None:
    back = dequantise(quantise(numpy.array(values, dtype=numpy.float32), INT8), INT8)
    assert numpy.abs(back - numpy.array(values)).max() <= 0.5 / 255 + 1e-6


def test_tensors_of_floats_are_refused() -> None:
    with pytest.raises(MachineFailure, match="float32"):
        quantise(numpy.zeros(1, dtype=numpy.float32), TensorDescriptor("x", (1,), "float32", 1.0, 0, 0))


@pytest.fixture(params=["cortex-m0plus", "cortex-m4f", "cortex-m7", "rv32imc"])
def loaded(
    request: pytest.FixtureRequest, modules: Any, with_profile: Callable[..., DeviceProfile]
) -> tuple[ModuleMachine, bytes, Descriptor]:
    profile = with_profile(target=load_target(request.param))
    verified = verify_package(
        modules.package(profile, 1, bias=1),
        trust_anchors=[modules.key.verification_key],
        vendor_id=profile.vendor_id,
        class_id=profile.class_id,
        storage_bytes=8192,
        working_memory_bytes=8192,
    )
    return ModuleMachine(profile.target, 1e6), verified.payload, verified.descriptor


async def test_runs_machine_code_on_every_core(loaded: tuple[ModuleMachine, bytes, Descriptor]) -> None:
    machine, payload, descriptor = loaded
    inference = await machine.infer(payload, descriptor, [bytes([10, 20, 30, 5])])
    assert inference.outputs == (bytes([16, 26, 36]),)
    assert inference.latency_ms == pytest.approx(inference.instructions / 1000)
    assert inference.instructions == (await machine.infer(payload, descriptor, [bytes(4)])).instructions


async def test_the_self_test_counts_right_answers(loaded: tuple[ModuleMachine, bytes, Descriptor]) -> None:
    machine, payload, descriptor = loaded
    assert await machine.self_test(payload, descriptor) == 100.0


async def test_code_that_is_none_fails_and_input_of_a_wrong_size_is_refused(
    loaded: tuple[ModuleMachine, bytes, Descriptor],
) -> None:
    machine, payload, descriptor = loaded
    with pytest.raises(MachineFailure, match="faulted"):
        await machine.infer(b"\xff" * len(payload), descriptor, [bytes(4)])
    with pytest.raises(MachineFailure, match="size"):
        await machine.infer(payload, descriptor, [bytes(3)])
    assert await machine.self_test(b"\xff" * len(payload), descriptor) == 0.0
