"""Does it fit? Sentences with figures, and no build that a bound could spare."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_ml.compiler.targets import Target
from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.service.builds import NATIVE, Build
from lwm2m_ml.service.checks import Room
from lwm2m_ml.service.fit import Chosen, Fitting, resolve_target
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.service.workers.facts import BackendFacts, BuildFacts
from lwm2m_ml.service.zoo.model import Model, Variant
from tests.service.fake_device import capability_records

KEY = b"k" * 32
MODEL = Model(
    name="digits",
    version="1.0.0",
    description="",
    licence="MIT",
    labels=(),
    variants=(
        Variant("digits-small", "a", weights=3_000, macs=1, accuracy=97.0),
        Variant("digits-medium", "b", weights=12_000, macs=1, accuracy=98.5),
        Variant("digits-large", "c", weights=40_000, macs=1, accuracy=99.5),
    ),
)
ROOM = Room(True, "", 0, 0, signature_algorithm=-8, key_id=KEY)
FACTS = BuildFacts(
    target="cortex-m4f",
    isa=("armv7e-m", "dsp"),
    backend="native",
    backend_version="1",
    plan_digest=bytes(32),
    format=2,
    abi="1.0.0",
    flash_bytes=0,
    ram_bytes=2_000,
    arena_bytes=1_500,
    stack_bytes=500,
    instructions=640_000,
    macs=1,
    weight_bytes=1,
    lower_bound_arena_bytes=1,
    max_abs_diff=0,
    exact=True,
    inputs=(),
    outputs=(),
    vectors=(),
)


@pytest.fixture
def runtime(new_device: Callable[..., Any]) -> MlRuntime:
    found = profile_from_records("device", (), capability_records(new_device())).runtime
    assert found is not None
    return found


class Shop:
    """Builds modules of twice the weights, and remembers which it was asked for."""

    def __init__(self, **facts: Any) -> None:
        self.built: list[str] = []
        self.broken: set[str] = set()
        self.facts = dataclasses.replace(FACTS, **facts)

    async def build(self, model: Model, variant: Variant, _target: Target, backend: BackendFacts = NATIVE) -> Build:
        self.built.append(variant.name)
        if variant.name in self.broken:
            raise InvalidInputError("Operator Sin is not known")
        return Build(f"key of {variant.name}", model, variant, bytes(variant.weights * 2), self.facts)

    async def fit(self, runtime: MlRuntime, room: Room = ROOM, *, exhaustive: bool = False) -> Chosen:
        fitting = Fitting("device", MODEL, runtime, room, build=self.build, measure=lambda build: len(build.payload))
        return await fitting.run(exhaustive=exhaustive)


async def test_the_most_accurate_variant_that_fits_is_chosen(runtime: MlRuntime) -> None:
    shop = Shop()
    chosen = await shop.fit(runtime)
    assert chosen.fit.chosen is not None
    assert (chosen.fit.chosen.variant, chosen.fit.chosen.latency) == ("digits-large", 10.0)
    assert chosen.fit.reason == "digits-large is the most accurate variant that fits"
    assert chosen.build is not None
    assert shop.built == ["digits-large"]


async def test_a_bound_spares_the_build_and_the_reason_tells_it(runtime: MlRuntime) -> None:
    shop = Shop()
    chosen = await shop.fit(dataclasses.replace(runtime, storage_free=25_000))
    assert shop.built == ["digits-medium"]
    assert chosen.fit.reason == (
        "digits-medium is the most accurate variant that fits; "
        "digits-large: needs at least 40,000 B of module storage, 25,000 B free"
    )


async def test_a_variant_that_passed_the_bound_may_fail_the_build(runtime: MlRuntime) -> None:
    chosen = await Shop().fit(dataclasses.replace(runtime, storage_free=20_000))
    assert chosen.fit.chosen is not None
    assert chosen.fit.chosen.variant == "digits-small"
    assert "digits-medium: needs 24,000 B of module storage, 20,000 B free" in chosen.fit.reason


async def test_a_refusal_names_exact_figures_of_the_smallest_variant(runtime: MlRuntime) -> None:
    chosen = await Shop().fit(dataclasses.replace(runtime, storage_free=1_000))
    assert chosen.build is None
    assert chosen.fit.reason == "needs 6,000 B of module storage, 1,000 B free; smallest variant digits-small"


async def test_a_slot_that_gives_its_storage_back_counts(runtime: MlRuntime) -> None:
    room = dataclasses.replace(ROOM, reclaimable_storage=6_000)
    chosen = await Shop().fit(dataclasses.replace(runtime, storage_free=0), room)
    assert chosen.fit.chosen is not None
    assert chosen.fit.chosen.variant == "digits-small"


async def test_working_memory_counts_arena_and_stack(runtime: MlRuntime) -> None:
    chosen = await Shop().fit(dataclasses.replace(runtime, working_memory_free=1_999))
    assert chosen.fit.reason == "needs 2,000 B of working memory, 1,999 B free; smallest variant digits-small"


async def test_the_module_that_will_be_replaced_gives_its_memory_back(runtime: MlRuntime) -> None:
    room = dataclasses.replace(ROOM, reclaimable_memory=1_500)
    chosen = await Shop().fit(dataclasses.replace(runtime, working_memory_free=500), room)
    assert chosen.fit.chosen is not None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"formats": (0, 1)}, "the runtime does not take modules of format native position-independent"),
        ({"data_types": (0,)}, "the runtime does not compute int8 per channel, only float32"),
        ({"signature_algorithms": (-7,)}, "the runtime does not verify EdDSA signatures, only ES256"),
        ({"trust_anchors": (b"x" * 32,)}, f"the device does not trust this service's signing key {KEY.hex()[:16]}…"),
        ({"version": "0.9.0"}, "needs runtime version 1.0.0, the device has 0.9.0"),
        ({"version": "next"}, "needs runtime version 1.0.0, the device has next"),
        ({"instruction_set": ("armv6-m",)}, "the processor lacks "),
        (
            {"maximum_module_size": 5_000},
            "needs 6,000 B of module storage, a slot has 5,000 B; smallest variant digits-small",
        ),
    ],
)
async def test_what_a_device_cannot_do_is_said_in_words(runtime: MlRuntime, change: dict[str, Any], why: str) -> None:
    chosen = await Shop().fit(dataclasses.replace(runtime, **change))
    assert chosen.build is None
    assert not chosen.fit.broken
    assert chosen.fit.reason.startswith(why)


async def test_a_device_without_a_usable_slot_is_refused_before_anything_is_built(runtime: MlRuntime) -> None:
    shop = Shop()
    room = dataclasses.replace(ROOM, has_slot=False, why_no_slot="all 2 module slots are in use")
    assert (await shop.fit(runtime, room)).fit.reason == "all 2 module slots are in use"
    assert not shop.built


@pytest.mark.parametrize("number", [-8, -19])
async def test_both_numbers_of_the_same_algorithm_are_understood(runtime: MlRuntime, number: int) -> None:
    assert (await Shop().fit(dataclasses.replace(runtime, signature_algorithms=(number,)))).build is not None


async def test_a_runtime_of_a_higher_minor_version_takes_the_module(runtime: MlRuntime) -> None:
    assert (await Shop().fit(dataclasses.replace(runtime, version="1.4.2"))).build is not None


async def test_a_build_that_fails_leaves_the_smaller_ones(runtime: MlRuntime) -> None:
    shop = Shop()
    shop.broken = {"digits-large"}
    chosen = await shop.fit(runtime)
    assert chosen.fit.chosen is not None
    assert chosen.fit.chosen.variant == "digits-medium"
    assert "digits-large: Operator Sin is not known" in chosen.fit.reason


async def test_when_no_build_succeeds_the_fit_is_broken_and_not_a_refusal(runtime: MlRuntime) -> None:
    shop = Shop()
    shop.broken = {variant.name for variant in MODEL.variants}
    fit = (await shop.fit(runtime)).fit
    assert fit.broken
    assert fit.reason == "digits-small: Operator Sin is not known"


async def test_an_exhaustive_fit_looks_at_all_variants(runtime: MlRuntime) -> None:
    shop = Shop()
    fit = (await shop.fit(runtime, exhaustive=True)).fit
    assert [candidate.variant for candidate in fit.candidates] == ["digits-large", "digits-medium", "digits-small"]
    assert fit.chosen == fit.candidates[0]


def test_an_unknown_target_is_resolved_by_its_instruction_set(runtime: MlRuntime) -> None:
    unknown = dataclasses.replace(runtime, target="acme-9000")
    assert resolve_target(unknown).name == "cortex-m4f"


async def test_a_device_nobody_can_compile_for_is_refused(runtime: MlRuntime) -> None:
    unknown = dataclasses.replace(runtime, target="acme-9000", instruction_set=("z80",))
    chosen = await Shop().fit(unknown)
    assert chosen.fit.reason == "neither the target 'acme-9000' nor its instruction set is known to the compiler"


class RankedShop(Shop):
    """Has several backends, whose modules differ in what they take, and says which were asked."""

    def __init__(self, *backends: BackendFacts, sizes: dict[str, int], **facts: Any) -> None:
        super().__init__(**facts)
        self.backends = backends
        self.sizes = sizes
        self.asked: list[str] = []

    async def rank(self, _target: Target, _runtime: MlRuntime) -> tuple[BackendFacts, ...]:
        return self.backends

    async def build(self, model: Model, variant: Variant, target: Target, backend: BackendFacts = NATIVE) -> Build:
        self.asked.append(backend.name)
        if backend.name not in self.sizes:
            raise InvalidInputError(f"The backend {backend.name} crashed (SIGSEGV)")
        facts = dataclasses.replace(self.facts, backend=backend.name)
        return Build(f"{variant.name}/{backend.name}", model, variant, bytes(self.sizes[backend.name]), facts)

    async def ranked_fit(self, runtime: MlRuntime) -> Chosen:
        fitting = Fitting(
            "device", MODEL, runtime, ROOM, build=self.build, measure=lambda made: len(made.payload), rank=self.rank
        )
        return await fitting.run()


async def test_the_cheapest_of_a_class_is_taken_and_the_others_named(runtime: MlRuntime) -> None:
    backends = (BackendFacts("ours", "1", 0, "machine code"), BackendFacts("theirs", "1", 0, "machine code"))
    shop = RankedShop(*backends, BackendFacts("graph", "1", 2, "a graph"), sizes={"ours": 4_000, "theirs": 3_000})
    chosen = await shop.ranked_fit(runtime)
    assert chosen.build is not None
    assert (chosen.build.facts.backend, shop.asked) == ("theirs", ["ours", "theirs"])
    assert "theirs: machine code; ours: its module costs more" in chosen.fit.reason


async def test_backend_that_fails_is_named_and_the_next_one_asked(runtime: MlRuntime) -> None:
    shop = RankedShop(
        BackendFacts("vendor", "1", -1, "it uses the NPU"),
        BackendFacts("ours", "1", 0, "machine code"),
        sizes={"ours": 4_000},
    )
    chosen = await shop.ranked_fit(runtime)
    assert chosen.build is not None
    assert chosen.build.facts.backend == "ours"
    assert "vendor: The backend vendor crashed (SIGSEGV)" in chosen.fit.reason


async def test_no_backend_for_a_device_says_what_speaks_against_each(runtime: MlRuntime) -> None:
    shop = RankedShop(BackendFacts("ours", "1", 0, "", "it makes nothing for xtensa"), sizes={})
    chosen = await shop.ranked_fit(runtime)
    assert chosen.build is None
    assert "ours: it makes nothing for xtensa" in chosen.fit.reason
    assert not shop.asked


async def test_interpreter_without_an_operator_is_not_sent_the_graph(runtime: MlRuntime) -> None:
    runtime = dataclasses.replace(runtime, formats=(0,), operators=("CONV_2D",))
    shop = RankedShop(
        BackendFacts("graph", "1", 2, "a graph"),
        sizes={"graph": 100},
        format=0,
        isa=(),
        operators=("CONV_2D", "SOFTMAX"),
    )
    chosen = await shop.ranked_fit(runtime)
    assert chosen.build is None
    assert "the interpreter lacks SOFTMAX" in chosen.fit.reason
