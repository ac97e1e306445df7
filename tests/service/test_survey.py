"""Surveys: every variant by every backend and optimisation, exact shortfalls, and few compilations for many devices."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.checks import Room
from lwm2m_ml.service.device_types import DeviceType, DeviceTypes
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.packages import Packages
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.profiles import CapabilityProfile, DeviceIdentity, MlRuntime
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.survey import Constraints, Survey, Surveyor
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.workers.facts import BackendFacts, BuildAnswer, BuildFacts, TensorFacts
from lwm2m_ml.service.workers.tasks import build_module, measure_baseline, rank_backends
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store import Store

TARGETS = ("nrf51822", "samd21", "rp2040", "stm32f103", "nrf52840", "stm32l476", "stm32f746", "esp32-c3", "stm32l053")
BYTES_OF_A_WEIGHT = {"balanced": 1.0, "size": 0.9, "speed": 1.2}
ROOM = Room(True, "", 0, 0, -8, b"k" * 32)


class Workers(WorkerPool):
    """Workers that compile nothing: a module has a byte for every weight and takes an instruction for each of them."""

    def __init__(self, weights: dict[str, int]) -> None:
        super().__init__(1)
        self._weights = weights

    async def run(self, function: Callable[..., Any], *arguments: Any, what: str) -> Any:
        if function is rank_backends:
            return (BackendFacts("native", "1", 0, "it is first"), BackendFacts("wasm", "1", 1, "", "no wasm here"))
        if function is measure_baseline:
            return None
        assert function is build_module
        _, _, target, plan, backend = arguments
        name = what.split()[1]
        size = int(self._weights[name] * BYTES_OF_A_WEIGHT[plan])
        return BuildAnswer(bytes(size), facts(target, backend, size))


def facts(target: str, backend: str, size: int) -> BuildFacts:
    tensor = TensorFacts("x", (1, 4), "int8", 0.1, 0, 0, 4)
    return BuildFacts(
        target=target,
        isa=(),
        backend=backend,
        backend_version="1",
        plan_digest=bytes(32),
        format=2,
        abi="1.0.0",
        flash_bytes=size,
        ram_bytes=2_048,
        arena_bytes=1_024,
        stack_bytes=1_024,
        instructions=size,
        macs=size,
        weight_bytes=size,
        lower_bound_arena_bytes=1_024,
        max_abs_diff=0,
        exact=True,
        inputs=(tensor,),
        outputs=(tensor,),
        vectors=(),
    )


def runtime_of(target: str, storage: int = 200_000, memory: int = 16_384) -> MlRuntime:
    described = DeviceType("t", target, storage_bytes=storage, memory_bytes=memory)
    return described.runtime(load_target(target))


@pytest.fixture
async def zoo(store: Store) -> Zoo:
    zoo = Zoo(store, WorkerPool(1))
    await zoo.start()
    return zoo


@pytest.fixture
def builder(store: Store, zoo: Zoo) -> Builder:
    return Builder(store, zoo, Workers({variant.name: variant.weights for variant in zoo.get("digits").variants}))


async def survey(builder: Builder, zoo: Zoo, runtime: MlRuntime, constraints: Constraints = Constraints()) -> Survey:  # noqa: B008
    surveyor = Surveyor(builder, zoo.get("digits"), constraints)
    return await surveyor.survey(["a"], runtime, ROOM, lambda build: len(build.payload))


async def test_every_variant_backend_and_optimisation_is_looked_at(builder: Builder, zoo: Zoo) -> None:
    found = await survey(builder, zoo, runtime_of("nrf52840"))
    seen = {(one.variant, one.backend, one.plan) for one in found.options if one.backend == "native"}
    assert len(seen) == 9
    assert [one.shortfalls for one in found.options if one.backend == "wasm"] == [("no wasm here",)]
    assert found.chosen is not None
    assert (found.chosen.variant, found.chosen.plan) == ("digits-large", "size")
    assert found.chosen.latency == pytest.approx((found.chosen.instructions or 0) / 64e6 * 1000)


async def test_a_shortfall_is_exact_and_names_the_nearest_change(builder: Builder, zoo: Zoo) -> None:
    found = await survey(builder, zoo, runtime_of("nrf52840", storage=2_000))
    assert found.chosen is None
    weights = zoo.get("digits").smallest.weights
    small = next(one for one in found.options if (one.variant, one.plan) == ("digits-small", "balanced"))
    assert small.shortfalls == (f"needs {weights:,} B of module storage, 2,000 B free",)
    assert small.changes == (f"{weights - 2_000:,} B more",)
    assert "nothing fits; nearest is digits-small" in found.reason


@pytest.mark.parametrize(
    ("constraints", "why", "change"),
    [
        (Constraints(accuracy=99.9), "accuracy is 99.5 %, at least 99.9 % are asked for", "a floor of 99.5 %"),
        (Constraints(latency=0.01), "ms, at most 0.01 ms are asked for", "a ceiling of"),
        (Constraints(energy=1e-6), "energy is unknown, at most 1e-06 J are asked for", "measure it"),
        (Constraints(package_bytes=100), "B, at most 100 B are asked for", "a ceiling of"),
    ],
)
async def test_what_an_operator_asks_for_is_kept(
    builder: Builder, zoo: Zoo, constraints: Constraints, why: str, change: str
) -> None:
    found = await survey(builder, zoo, runtime_of("nrf52840"), constraints)
    assert found.chosen is None
    large = next(one for one in found.options if (one.variant, one.plan) == ("digits-large", "balanced"))
    assert why in large.shortfalls[0]
    assert change in large.changes[0]


async def test_a_thousand_devices_of_twelve_kinds_cost_twelve_compilations_and_none_again(
    builder: Builder, zoo: Zoo, store: Store, new_device: Callable[..., Any], bus: Any, tmp_path: Path
) -> None:
    kinds = [runtime_of(target) for target in TARGETS]
    kinds += [dataclasses.replace(runtime_of(target), storage_free=150_000) for target in TARGETS[:3]]
    keeper = ProfileKeeper(new_device(), store.device_profiles, bus, 42769)
    for number in range(1_000):
        runtime = kinds[number % len(kinds)]
        keeper._profiles[f"d{number}"] = CapabilityProfile(f"d{number}", DeviceIdentity(), (runtime,))
    signer = Signer.open(tmp_path / "data")
    fitting = DeviceFitting(
        new_device(), keeper, signer, Packages(store, signer), model_object=42770, rank=builder.rank
    )
    assert len(kinds) == 12
    for endpoint in [f"d{number}" for number in range(1_000)]:
        fit = await fitting.fit_known(zoo.get("digits"), endpoint, build=builder.build)
        assert fit is not None
        assert fit.chosen is not None
    assert 0 < builder.compilations <= 12
    again = Builder(store, zoo, Workers({variant.name: variant.weights for variant in zoo.get("digits").variants}))
    for endpoint in ("d0", "d7", "d999"):
        assert await fitting.fit_known(zoo.get("digits"), endpoint, build=again.build) is not None
    assert again.compilations == 0
    surveys = await fitting.survey(Surveyor(again, zoo.get("digits"), plans=("balanced",)), ["d0", "d12", "d1"])
    assert [found.endpoints for found in surveys] == [("d0", "d12"), ("d1",)]
    large = [one for found in surveys for one in found.options if one.variant == "digits-large"]
    assert all(one.cached for one in large)


async def test_a_type_speaks_for_devices_that_tell_nothing_but_who_they_are(store: Store) -> None:
    types = DeviceTypes(store.device_types)
    await types.add(DeviceType("meter", "nrf52840", 65_536, 32_768, manufacturer="ACME*", model_number="M?"))
    again = DeviceTypes(store.device_types)
    await again.start()
    known = CapabilityProfile("a", DeviceIdentity("ACME Inc.", "M2"))
    completed = again.complete(known)
    assert completed.device_type == "meter"
    assert completed.runtime is not None
    assert (completed.runtime.target, completed.runtime.maximum_module_size) == ("nrf52840", 65_536)
    assert again.complete(CapabilityProfile("b", DeviceIdentity("Other", "M2"))).runtime is None
    await again.remove("meter")
    assert again.complete(known) == known
