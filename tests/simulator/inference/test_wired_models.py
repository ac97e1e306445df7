"""Several models on one device, wired by object 513: each really executes, and what flows between them is followed."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
from aiocoap import Code

from lwm2m_ml.module.descriptor import TensorDescriptor
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.objects.data import DataTemplate

MakeDevice = Callable[..., SimulatedDevice]
LIGHT, SWITCH, TIMER = "/3301/0/5700", "/3306/0/5850", "/3340/0/5538"
OBJECTS = (
    DataTemplate(3301, values={5700: 80.0}, writable=frozenset({5700})),
    DataTemplate(3306, values={5850: False}),
    DataTemplate(3340, values={5538: 0.0}),
)


@pytest.fixture
def profile(with_profile: Callable[..., DeviceProfile]) -> DeviceProfile:
    return with_profile(delivery=DeliveryObject.MODEL_CONFIGURATION, slots=3, objects=OBJECTS, inference_period_ms=10)


@pytest.fixture
def stream() -> Iterator[Any]:
    return (numpy.array([index % 50, 20, -10, 3], dtype=numpy.float32) for index in range(1_000_000))


class Bench:
    """One device, and the models that a test puts on it."""

    def __init__(self, server: Any, modules: Any, profile: DeviceProfile, device: SimulatedDevice) -> None:
        self.server = server
        self.device = device
        self._modules = modules
        self._profile = profile

    def package(self, name: str, sequence: int, **facts: Any) -> bytes:
        """A package of a model by this name; its bias is its sequence number."""
        facts = {"model_id": name.encode().ljust(16), "model_name": name, "bias": sequence} | facts
        package: bytes = self._modules.package(self._profile, sequence, filler=0, **facts)
        return package

    async def install(self, slot: int, name: str, sequence: int, *, confirm: bool = True, **facts: Any) -> None:
        assert await self.server.write(f"/513/{slot}/1", self.package(name, sequence, **facts)) is Code.CHANGED
        assert await self.server.write(f"/513/{slot}/13", True) is Code.CHANGED
        assert await self.server.value(f"/42770/{slot}/11") == ModuleState.TRIAL
        if confirm:
            assert await self.server.execute(f"/42770/{slot}/13") is Code.CHANGED

    async def wire(self, slot: int, resource: int, *texts: str) -> None:
        code, why = await self.server.write_texts(f"/513/{slot}/{resource}", *texts)
        assert code is Code.CHANGED, why

    async def refused(self, slot: int, resource: int, *texts: str) -> str:
        code, why = await self.server.write_texts(f"/513/{slot}/{resource}", *texts)
        assert code is Code.BAD_REQUEST
        return str(why)

    async def count(self, slot: int) -> int:
        return int(await self.server.value(f"/42770/{slot}/25"))

    async def inferred(self, slot: int, more: int = 3) -> None:
        """Wait until a model has inferred so often again."""
        await self.server.poll(f"/42770/{slot}/25", *range(await self.count(slot) + more, 100_000))

    def outputs(self, slot: int) -> list[tuple[int, bytes]]:
        """Frame and raw output of everything that the module in a slot inferred."""
        firmware = self.device.firmware
        module = firmware.modules.loaded(slot) if firmware is not None else None
        assert module is not None
        found = [record for record in self.device.inferences if record.module_digest == module.digest]
        return [(record.index, record.outputs[0]) for record in found]


@pytest.fixture
async def bench(server: Any, modules: Any, profile: DeviceProfile, make_device: MakeDevice) -> Any:
    async with make_device(profile) as device:
        await server.until_registered()
        yield Bench(server, modules, profile, device)


def answer(values: list[int], bias: int) -> bytes:
    return bytes((values[i] + (values[3] if len(values) > 3 else 0) + bias) & 0xFF for i in range(3))


def second_stage(sequence: int, name: str = "in") -> dict[str, Any]:
    """Facts of a model that takes what the first one puts out, integer by integer, and adds a bias."""
    return {
        "bias": f"{sequence} - in[3]",
        "inputs": (TensorDescriptor(name, (3,), "int8", 1 / 256, -128, 0),),
        "vectors": ((bytes([1, 2, 3]), answer([1, 2, 3], sequence)),),
    }


async def test_two_models_run_at_once_and_their_memory_adds_up(bench: Bench, server: Any) -> None:
    total = await server.value("/42769/0/4")
    for slot, name in enumerate(("one", "other")):
        await bench.install(slot, name, slot + 1)
    used = [int(await server.value(f"/42770/{slot}/10")) for slot in (0, 1)]
    assert await server.value("/42769/0/5") == total - sum(used)
    for slot in (0, 1):
        await bench.inferred(slot)
        for index, output in bench.outputs(slot):
            assert output == answer([index % 50, 20, -10, 3], slot + 1)
    shared = {index for index, _ in bench.outputs(0)} & {index for index, _ in bench.outputs(1)}
    assert len(shared) >= 3, "both see the same frames of one sensor"


async def test_one_models_output_is_the_next_ones_input(bench: Bench) -> None:
    await bench.install(0, "first", 1)
    await bench.install(1, "second", 2, **second_stage(2))
    await bench.wire(1, 7, "</42771/0>")
    await bench.inferred(1, 5)
    firsts = [output for _, output in bench.outputs(0)]
    seconds = [output for index, output in bench.outputs(1) if index == -1]
    made = [bytes((byte + 2) & 0xFF for byte in output) for output in firsts]
    assert len(seconds) >= 5
    assert made[-len(seconds) :] == seconds or made[-len(seconds) - 1 : -1] == seconds


async def test_a_chain_of_scores_in_percent_is_undone_by_a_transform(bench: Bench) -> None:
    await bench.install(0, "first", 1)
    await bench.install(1, "second", 2, **second_stage(2))
    await bench.wire(1, 7, "</42771/0/4>")
    await bench.wire(1, 8, "value / 100")
    await bench.inferred(1, 1)  # what was under way saw percent
    before = len(bench.outputs(1))
    await bench.inferred(1)
    made = {bytes((byte + 2) & 0xFF for byte in output) for _, output in bench.outputs(0)}
    assert {output for index, output in bench.outputs(1)[before:]} <= made


async def test_the_night_model_takes_over_from_the_day_model_without_a_transfer(bench: Bench, server: Any) -> None:
    for slot, name, condition in ((0, "day", "light >= 50"), (1, "night", "light < 50")):
        await bench.install(slot, name, slot + 1)
        await bench.wire(slot, 7, "", f"<{LIGHT}>")
        await bench.wire(slot, 9, "in", "light")
        assert await server.write(f"/513/{slot}/14", condition) is Code.CHANGED
    await bench.inferred(0)
    asleep = await bench.count(1)
    await bench.inferred(0)
    assert await bench.count(1) == asleep
    assert await server.write(LIGHT, 3.0) is Code.CHANGED
    await bench.inferred(1)
    asleep = await bench.count(0)
    await bench.inferred(1)
    assert await bench.count(0) == asleep
    assert not server.blocks_asked


async def test_an_input_transform_changes_what_the_model_sees(bench: Bench) -> None:
    await bench.install(0, "one", 1)
    await bench.wire(0, 8, "clamp(value * 2 + 1, -20, 20)")
    before = len(bench.outputs(0)) + 1
    await bench.inferred(0)
    for index, output in bench.outputs(0)[before:]:
        assert output == answer([min(20, index % 50 * 2 + 1), 20, -19, 7], 1)


async def test_output_transforms_drive_switches_and_count_down(bench: Bench, server: Any) -> None:
    await bench.install(0, "one", 1)
    await bench.wire(0, 10, "</42771/0>", f"<{SWITCH}>", f"<{TIMER}>")
    await bench.wire(0, 12, "out", "out", "out")
    await bench.wire(0, 11, "", "position(value) == 1", "if(before > 100, before, before + 1)")
    await server.poll(TIMER, 101.0)
    for state in (True, False, True):  # the class changes with the frames
        assert await server.poll(SWITCH, state) is state


async def test_a_model_with_a_link_to_a_resource_runs_when_it_changes(bench: Bench, server: Any) -> None:
    one_value = {
        "bias": "1 - in[3] - in[i] + in[0]",
        "inputs": (TensorDescriptor("level", (1,), "int8", 1.0, 0, 0),),
        "vectors": ((bytes([5]), bytes([6, 6, 6])),),
    }
    await bench.install(0, "one", 1, confirm=False, **one_value)
    await bench.wire(0, 7, f"<{LIGHT}>")
    for light in (7.0, 9.0):
        await server.write(LIGHT, light)
        await server.until(lambda light=light: any(output[0] == light + 1 for _, output in bench.outputs(0)))
    count = await bench.count(0)
    await asyncio.sleep(0.1)
    assert await bench.count(0) == count, "nothing changed, nothing runs"


async def test_what_does_not_fit_beside_the_others_waits_until_one_is_disabled(bench: Bench, server: Any) -> None:
    await bench.install(0, "one", 1, arena_bytes=20_000)
    package = bench.package("other", 2, arena_bytes=20_000)
    await server.write("/513/1/1", package)
    payload = await server.ask(Code.PUT, "/513/1/13", b"1", content_format=0)
    assert payload.code is Code.METHOD_NOT_ALLOWED
    assert b"needs 20,256 B of working memory, the others leave 12,512 B" in payload.payload
    assert await server.value("/42770/1/11") == ModuleState.STAGED
    assert await server.value("/42770/1/12") == ModuleResult.WORKING_MEMORY_TOO_SMALL
    assert await server.write("/513/0/13", False) is Code.CHANGED
    assert await server.write("/513/1/13", True) is Code.CHANGED
    assert await server.value("/42770/1/11") == ModuleState.TRIAL
    assert await server.value("/42770/0/11") == ModuleState.STANDBY


async def test_memory_is_kept_for_the_one_that_a_failed_trial_brings_back(bench: Bench, server: Any) -> None:
    await bench.install(0, "one", 1, arena_bytes=20_000)
    await bench.install(1, "one", 2, arena_bytes=1_000, confirm=False)
    assert await server.value("/42769/0/5") == 32_768 - 20_256
    assert await server.execute("/42770/1/14") is Code.CHANGED
    assert await server.value("/42770/0/11") == ModuleState.ACTIVE


async def test_a_new_version_takes_over_place_and_wiring_and_gives_them_back(bench: Bench, server: Any) -> None:
    await bench.install(0, "first", 1)
    await bench.install(1, "second", 2, **second_stage(2))
    await bench.wire(1, 7, "</42771/0>")
    await bench.wire(0, 8, "value + 0")
    await bench.install(2, "first", 3, confirm=False)
    assert await server.value("/42770/0/11") == ModuleState.STANDBY
    assert await server.value("/42770/1/11") == ModuleState.ACTIVE
    assert await server.value("/513/1/7/0") == "</42771/2>"
    assert await server.value("/513/2/8/0") == "value + 0"
    await bench.inferred(1)
    assert await server.execute("/42770/2/14") is Code.CHANGED
    assert await server.value("/42770/0/11") == ModuleState.ACTIVE
    assert await server.value("/513/1/7/0") == "</42771/0>"
    await bench.inferred(1)


async def test_wiring_outlives_a_reboot_but_not_its_model(bench: Bench, server: Any) -> None:
    await bench.install(0, "first", 1)
    await bench.install(1, "second", 2, **second_stage(2))
    await bench.wire(1, 7, "</42771/0>")
    bench.device.reboot()
    await server.until_registered(2)
    await bench.inferred(1)
    assert await server.value("/513/1/7/0") == "</42771/0>"
    await server.write("/513/1/13", False)
    await bench.install(1, "third", 3)
    assert await server.value("/513/1/7/0") == ""


async def test_an_input_is_passed_on_only_where_the_transform_has_a_value(bench: Bench, server: Any) -> None:
    await bench.install(0, "one", 1)
    await bench.wire(0, 12, "out", "in")
    await bench.wire(0, 11, "", "if(in - in == 0 and largest(in) > 45, value, 0 / 0)")
    await bench.wire(0, 10, "</42771/0>", "</19/7/0>")  # last: until then nothing is passed on
    data = await server.poll_any("/19/7/0/0")
    assert numpy.frombuffer(data, numpy.int8)[0] > 45
    assert await server.value("/19/7/4") == "int8;scale=1.0;zero=0"


@pytest.mark.parametrize(
    ("resource", "text", "why"),
    [
        (7, "</3303/0/5700>", "is not on this device"),
        (7, "</42771/9>", "this device has 3 slots"),
        (7, "<coap://elsewhere/3/0/9>", "is not on this device"),
        (7, "</d01/3/0/9>", "no device 'd01' behind this one"),
        (7, "light", "'light'"),
        (10, "</42771/1>", "is not the result of this model"),
        (10, "</3/0/13>", "takes no output"),
        (10, "", "goes to a resource"),
        (8, "value +", "too early at character 7"),
        (8, "valve + 1", "uses 'valve'"),
        (11, "befor + 1", "uses 'befor'"),
    ],
)
async def test_what_cannot_be_followed_is_refused_with_the_reason(
    bench: Bench, resource: int, text: str, why: str
) -> None:
    await bench.install(0, "one", 1)
    assert why in await bench.refused(0, resource, text)


async def test_a_condition_of_unknown_names_is_refused(bench: Bench, server: Any) -> None:
    await bench.install(0, "one", 1)
    refusal = await server.ask(Code.PUT, "/513/0/14", b"lihgt < 50", content_format=0)
    assert refusal.code is Code.BAD_REQUEST
    assert b"uses 'lihgt'" in refusal.payload
    assert b"There are: in" in refusal.payload


async def test_models_that_would_wait_for_each_other_are_refused(bench: Bench) -> None:
    await bench.install(0, "first", 1)
    await bench.install(1, "second", 2, **second_stage(2))
    await bench.wire(1, 7, "</42771/0>")
    assert "slots 0 and 1 would wait for each other" in await bench.refused(0, 7, "", "</42771/1>")
    await bench.inferred(1)


async def test_a_configuration_without_end_is_refused(bench: Bench) -> None:
    await bench.install(0, "one", 1)
    assert "1 to 16 texts" in await bench.refused(0, 9, *(str(number) for number in range(17)))
    long = [f"{number:02} {'x' * 61}" for number in range(16)]
    assert "keeps 1,024 B for each slot" in await bench.refused(0, 9, *long)


async def test_a_model_whose_input_nobody_feeds_fails_visibly(bench: Bench, server: Any) -> None:
    await bench.install(0, "one", 1)
    await bench.wire(0, 9, "something else")
    await server.poll("/42770/0/26", *range(1, 10_000))
