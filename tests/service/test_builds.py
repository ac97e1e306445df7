"""Builds: real ones, in worker processes, each made once."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.module.provenance import Provenance
from lwm2m_ml.service.builds import Builder, build_key
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store import Store
from tests.service.fake_device import capability_records


@pytest.fixture
async def workers() -> AsyncIterator[WorkerPool]:
    workers = WorkerPool(1)
    yield workers
    await workers.stop()


@pytest.fixture
async def zoo(store: Store, workers: WorkerPool) -> Zoo:
    zoo = Zoo(store, workers)
    await zoo.start()
    return zoo


@pytest.fixture
def runtime(new_device: Callable[..., Any]) -> MlRuntime:
    found = profile_from_records("device", (), capability_records(new_device())).runtime
    assert found is not None
    return found


@pytest.fixture
def builder(store: Store, zoo: Zoo, workers: WorkerPool) -> Builder:
    return Builder(store, zoo, workers)


async def test_however_many_ask_a_module_is_built_once(
    builder: Builder, zoo: Zoo, store: Store, workers: WorkerPool
) -> None:
    digits = zoo.get("digits")
    targets = [load_target(name) for name in ("nrf52840", "cortex-m4f")] * 10
    builds = await asyncio.gather(*(builder.build(digits, digits.smallest, target) for target in targets))
    assert builder.compilations == 1
    assert len({build.key for build in builds}) == 1
    assert builds[0].facts.exact
    assert builds[0].facts.target == "cortex-m4f"
    restarted = Builder(store, zoo, workers)
    assert await restarted.build(digits, digits.smallest, targets[0]) == builds[0]
    assert restarted.compilations == 0


async def test_a_caller_that_goes_away_does_not_take_the_build_from_others(builder: Builder, zoo: Zoo) -> None:
    digits, target = zoo.get("digits"), load_target("cortex-m0plus")
    first = asyncio.create_task(builder.build(digits, digits.smallest, target))
    second = asyncio.create_task(builder.build(digits, digits.smallest, target))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).payload
    assert builder.compilations == 1


async def test_a_build_that_nobody_waits_for_any_more_ends_and_leaves_its_place(builder: Builder, zoo: Zoo) -> None:
    digits, target = zoo.get("digits"), load_target("cortex-m0plus")
    only = asyncio.create_task(builder.build(digits, digits.smallest, target))
    for _ in range(6_000):
        if builder.compilations:
            break
        await asyncio.sleep(0.005)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    assert (await builder.build(digits, digits.smallest, target)).payload
    assert builder.compilations == 2


async def test_a_failed_build_is_tried_again_by_the_next_who_asks(builder: Builder, zoo: Zoo, store: Store) -> None:
    digits = zoo.get("digits")
    broken = dataclasses.replace(digits.smallest, digest=await store.artefacts.put(b"not a model"))
    for attempt in (1, 2):
        with pytest.raises(InvalidInputError, match="Compiling digits-small for cortex-m4f failed"):
            await builder.build(digits, broken, load_target("cortex-m4f"))
        assert builder.compilations == attempt


async def test_the_reference_answers_a_batch_of_flat_inputs(builder: Builder, zoo: Zoo) -> None:
    digits = zoo.get("digits")
    answers = await builder.reference_outputs(digits, digits.smallest, [[0.0] * 64, [0.5] * 64])
    assert (len(answers.outputs), len(answers.outputs[0])) == (2, 10)
    assert (answers.scale, answers.zero_point) == (1 / 256, -128)


@pytest.mark.parametrize("inputs", [[[0.0] * 63], [[0.0] * 64, [0.0]], [[float("nan")] * 64]])
async def test_inputs_of_another_shape_are_refused(builder: Builder, zoo: Zoo, inputs: list[list[float]]) -> None:
    digits = zoo.get("digits")
    with pytest.raises(InvalidInputError):
        await builder.reference_outputs(digits, digits.smallest, inputs)


async def test_a_rebuild_has_the_same_provenance_and_the_same_package(
    builder: Builder, zoo: Zoo, workers: WorkerPool, tmp_path: Path, runtime: MlRuntime
) -> None:
    digits, target, signer = zoo.get("digits"), load_target("cortex-m4f"), Signer.open(tmp_path / "keys")
    other_store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}")
    other_zoo = Zoo(other_store, workers)
    await other_zoo.start()
    rebuilder = Builder(other_store, other_zoo, workers)
    first, again = [await one.build(digits, digits.smallest, target) for one in (builder, rebuilder)]
    sped_up = await builder.build(digits, digits.smallest, target, plan="speed")
    await other_store.close()
    assert (builder.compilations, rebuilder.compilations) == (2, 1)
    signed = [signer.sign(build, runtime, 1) for build in (first, again, sped_up)]
    assert signed[0] == signed[1]
    assert signed[0].digest != signed[2].digest
    plans = [Provenance.decode(one.provenance).plan_digest for one in signed]
    assert plans[0] == plans[1] != plans[2]


async def test_everything_that_goes_into_a_build_changes_its_key(zoo: Zoo) -> None:
    digits, target = zoo.get("digits"), load_target("cortex-m4f")
    key = build_key(digits, digits.smallest, target)
    assert key == build_key(digits, digits.smallest, target)
    others = {
        build_key(digits, digits.by_accuracy[0], target),
        build_key(digits, digits.smallest, load_target("cortex-m7")),
        build_key(digits, digits.smallest, target, "size"),
        build_key(dataclasses.replace(digits, calibration=None), digits.smallest, target),
    }
    assert len(others | {key}) == 5
