"""Packages: made once per kind of device and deployment, found again by digest."""

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.packages import Packages
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.workers.facts import BuildFacts, TensorFacts
from lwm2m_ml.service.zoo.model import Model, Variant
from lwm2m_ml.store import Store

TENSOR = TensorFacts("x", (1, 4), "int8", 0.1, 0, 0, 4)
FACTS = BuildFacts(
    target="cortex-m4f",
    isa=("armv7e-m",),
    backend="native",
    format=2,
    abi="1.0.0",
    flash_bytes=100,
    ram_bytes=96,
    arena_bytes=64,
    stack_bytes=32,
    instructions=1000,
    macs=8,
    weight_bytes=8,
    lower_bound_arena_bytes=64,
    max_abs_diff=0,
    exact=True,
    inputs=(TENSOR,),
    outputs=(TENSOR,),
    vectors=((b"abcd", b"efgh"),),
)
VARIANT = Variant("tiny-s", "0" * 64, weights=8, macs=8)
BUILD = Build("key", Model("tiny", "1.0.0", "", "", (), (VARIANT,)), VARIANT, bytes(range(100)), FACTS)


@pytest.fixture
def packages(store: Store, tmp_path: Path) -> Packages:
    return Packages(store, Signer.open(tmp_path / "data"))


@pytest.fixture
def runtime(new_device: Callable[..., Any], capabilities: Callable[[Any], Any]) -> MlRuntime:
    found = profile_from_records("device", (), capabilities(new_device())).runtime
    assert found is not None
    return found


async def test_devices_of_one_kind_share_a_package_and_others_get_their_own(
    packages: Packages, runtime: MlRuntime
) -> None:
    other = dataclasses.replace(runtime, class_id=b"x" * 16)
    made = await asyncio.gather(*(packages.make("d", BUILD, one) for one in (runtime, runtime, other)))
    assert made[0] == made[1]
    assert made[0].digest != made[2].digest
    assert made[0].module_digest == made[2].module_digest


async def test_numbers_rise_from_deployment_to_deployment(packages: Packages, runtime: MlRuntime, store: Store) -> None:
    assert await packages.next_number() == 1
    digests = {(await packages.make(deployment, BUILD, runtime)).digest for deployment in "abc"}
    assert len(digests) == 3
    assert await packages.next_number() == 4


async def test_a_package_is_found_again_with_its_facts(packages: Packages, runtime: MlRuntime, store: Store) -> None:
    made = await packages.make("d", BUILD, runtime)
    packages.forget("d")
    assert await packages.get(made.digest) == made
    record = await store.modules.get(made.digest)
    assert record is not None
    assert BuildFacts.from_json(record.facts) == FACTS
    assert record.facts["package_bytes"] == len(made.content)


async def test_an_unknown_package_is_said_to_be_unknown(packages: Packages) -> None:
    with pytest.raises(NotFoundError):
        await packages.get("0" * 64)
