from typing import Any

import pytest

from lwm2m_ml_simulator.processor.emulation import EmulationPool
from lwm2m_ml_simulator.processor.machine import ModuleMachine
from lwm2m_ml_simulator.processor.sampling import OutcomeMemory, outcome_key


@pytest.fixture
def pool() -> Any:
    pool = EmulationPool(1)
    yield pool
    pool.close()


async def test_equal_inferences_are_taken_over_and_others_executed(pool: Any, modules: Any, profile: Any) -> None:
    payload = modules.payload(profile, 3)
    descriptor = modules_descriptor(modules, profile)
    machines = [
        ModuleMachine(profile.target, profile.clock_hz, pool, executed_share=0.0, seed=seed) for seed in range(3)
    ]
    exact = await ModuleMachine(profile.target, profile.clock_hz, pool).infer(payload, descriptor, [b"\1\2\3\4"])
    for machine in machines:
        for _ in range(2):
            assert await machine.infer(payload, descriptor, [b"\1\2\3\4"]) == exact
    assert (pool.outcomes.executed, pool.outcomes.taken_over) == (1, 5)
    await machines[0].infer(payload + b"\0", descriptor, [b"\1\2\3\4"])  # other code, if only by what never runs
    await machines[0].infer(payload, descriptor, [b"\1\2\3\5"])
    assert pool.outcomes.executed == 3


async def test_the_share_that_is_executed_is_executed_whatever_is_known(pool: Any, modules: Any, profile: Any) -> None:
    descriptor = modules_descriptor(modules, profile)
    machine = ModuleMachine(profile.target, profile.clock_hz, pool, executed_share=0.3, seed=1)
    for _ in range(100):
        await machine.infer(modules.payload(profile, 3), descriptor, [b"\1\2\3\4"])
    assert 15 <= pool.outcomes.executed <= 45
    assert pool.outcomes.executed + pool.outcomes.taken_over == 100


def modules_descriptor(modules: Any, profile: Any) -> Any:
    from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor  # noqa: PLC0415

    return Descriptor(
        model_id=bytes(16),
        model_name="sum",
        model_version="1",
        variant="small",
        target=profile.target.name,
        flash_bytes=len(modules.payload(profile, 3)),
        arena_bytes=32,
        stack_bytes=256,
        instructions=100,
        inputs=(TensorDescriptor("in", (4,), "int8", 1.0, 0, 0),),
        outputs=(TensorDescriptor("out", (3,), "int8", 1 / 256, -128, 16),),
        labels=("low", "middle", "high"),
        vectors=(),
    )


def test_memory_is_bounded() -> None:
    memory: OutcomeMemory[int] = OutcomeMemory(capacity=2)
    for number in range(3):
        memory.remember(bytes([number]), number)
    assert [memory.recall(bytes([number])) for number in range(3)] == [None, 1, 2]


def test_every_part_of_an_inference_is_part_of_its_key() -> None:
    keys = {
        outcome_key(*arguments)
        for arguments in (
            ("m4", 64e6, b"ab", (b"c",)),
            ("m7", 64e6, b"ab", (b"c",)),
            ("m4", 32e6, b"ab", (b"c",)),
            ("m4", 64e6, b"a", (b"bc",)),
            ("m4", 64e6, b"ab", (b"c", b"")),
            ("m4", 64e6, b"ab", (b"", b"c")),
        )
    }
    assert len(keys) == 6
