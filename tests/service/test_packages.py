"""Packages: made once per kind of device and deployment, found again by digest."""

import asyncio
import dataclasses
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.module.inspection import inspect_package
from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.module.package import verify_package
from lwm2m_ml.module.provenance import Provenance
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.packages import Packages
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.workers.facts import BuildFacts, TensorFacts
from lwm2m_ml.service.zoo.model import Model, Variant
from lwm2m_ml.store import Store
from tests.service.fake_device import capability_records

TENSOR = TensorFacts("x", (1, 4), "int8", 0.1, 0, 0, 4)
FACTS = BuildFacts(
    target="cortex-m4f",
    isa=("armv7e-m",),
    backend="native",
    backend_version="1",
    plan_digest=bytes(32),
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
def signer(tmp_path: Path) -> Signer:
    return Signer.open(tmp_path / "data")


@pytest.fixture
def packages(store: Store, signer: Signer) -> Packages:
    return Packages(store, signer)


@pytest.fixture
def runtime(new_device: Callable[..., Any]) -> MlRuntime:
    found = profile_from_records("device", (), capability_records(new_device())).runtime
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


def verify(package: bytes, signer: Signer, **device: Any) -> bytes:
    return verify_package(
        package,
        trust_anchors=[signer.key.verification_key],
        vendor_id=b"v" * 16,
        class_id=b"c" * 16,
        storage_bytes=100_000,
        working_memory_bytes=10_000,
        encodings=tuple(PayloadEncoding),
        **device,
    ).payload


async def test_the_smallest_encoding_that_a_device_unpacks_is_chosen(
    store: Store, signer: Signer, runtime: MlRuntime
) -> None:
    packages = Packages(store, signer)
    build = dataclasses.replace(BUILD, payload=bytes(range(16)) * 200)
    plain = await packages.make("d", build, runtime)
    packed = await packages.make("d", build, dataclasses.replace(runtime, encodings=(0, 2, 99), decoder_window=1024))
    assert len(packed.content) < len(plain.content) - 2_000
    assert verify(packed.content, signer) == build.payload
    record = await store.modules.get(packed.digest)
    assert record is not None
    assert (record.facts["encoding"], record.facts["package_bytes"]) == ("heatshrink", len(packed.content))


async def test_a_delta_is_made_against_what_the_device_runs_where_that_is_known(
    store: Store, signer: Signer, runtime: MlRuntime
) -> None:
    pytest.importorskip("detools")
    base = random.Random(1).randbytes(4_000)
    image = base[:3_900] + bytes(100)
    await store.artefacts.put(base)
    build = dataclasses.replace(BUILD, payload=image)
    able = dataclasses.replace(runtime, encodings=(0, 3))
    running = hashlib.sha256(base).digest()
    packages = Packages(store, signer)
    delta, unknown = [await packages.make("d", build, able, digest) for digest in (running, b"u" * 32)]
    assert len(delta.content) < len(unknown.content) / 4
    assert verify(delta.content, signer, base=base) == verify(unknown.content, signer) == image
    record = await store.modules.get(delta.digest)
    assert record is not None
    assert record.facts["base_digest"] == running.hex()


async def test_provenance_stays_in_the_store(packages: Packages, runtime: MlRuntime, store: Store) -> None:
    record = await store.modules.get((await packages.make("d", BUILD, runtime)).digest)
    assert record is not None
    kept = await store.artefacts.get(record.facts["provenance"])
    assert kept is not None
    assert Provenance.decode(kept).backend[0] == "native"


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


async def test_large_payloads_have_a_block_table_where_the_device_can_hold_it(
    packages: Packages, runtime: MlRuntime
) -> None:
    large = dataclasses.replace(BUILD, payload=random.Random(1).randbytes(33_000))
    without_room = dataclasses.replace(runtime, working_memory_total=2_048)
    made = {
        "large": await packages.make("d", large, runtime),
        "small": await packages.make("e", BUILD, runtime),
        "without room": await packages.make("d", large, without_room),
    }
    contents = {name: inspect_package(package.content) for name, package in made.items()}
    assert {name: one.manifest.block_table_digest is not None for name, one in contents.items()} == {
        "large": True,
        "small": False,
        "without room": False,
    }
    assert contents["large"].head_size <= 440
    assert len(made["large"].content) - len(made["without room"].content) < 0.02 * 33_000
