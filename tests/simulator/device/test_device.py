from collections.abc import Callable
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.lwm2m.firmware_update import State, UpdateResult
from lwm2m_ml.lwm2m.software_management import UpdateResult as SoftwareResult
from lwm2m_ml.lwm2m.software_management import UpdateState
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.faults import BitRot, Faults, PackageBitFlip
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.modules.fetching import FetchSettings

Server = Any
Modules = Any
MakeDevice = Callable[..., SimulatedDevice]


async def deliver(server: Server, package: bytes, slot: int = 0, name: str = "first") -> None:
    server.packages[name] = package
    assert await server.write(f"/9/{slot}/3", server.package_uri(name)) is Code.CHANGED
    await server.poll(f"/9/{slot}/7", UpdateState.DELIVERED)


async def install_and_activate(server: Server, slot: int = 0) -> None:
    assert await server.execute(f"/9/{slot}/4") is Code.CHANGED
    assert await server.value(f"/9/{slot}/7") == UpdateState.INSTALLED
    assert await server.execute(f"/9/{slot}/10") is Code.CHANGED


async def run_module(server: Server, package: bytes, slot: int = 0, name: str = "first") -> None:
    await deliver(server, package, slot, name)
    await install_and_activate(server, slot)
    assert await server.value(f"/42770/{slot}/11") == ModuleState.TRIAL
    await server.until(lambda: any(sent[0].path.instance_id == slot for sent in server.sent))
    assert await server.execute(f"/42770/{slot}/13") is Code.CHANGED
    assert await server.value(f"/42770/{slot}/11") == ModuleState.ACTIVE


def expected(index: int, bias: int) -> bytes:
    values = [index % 50, 20, -10, 3]
    return bytes((values[i] + values[3] + bias) & 0xFF for i in range(3))


async def test_tells_its_capabilities(server: Server, make_device: MakeDevice, profile: DeviceProfile) -> None:
    async with make_device(profile):
        await server.until_registered()
        told = await server.read("/42769/0")
    assert told["/42769/0/2"] == "cortex-m4f"
    assert (told["/42769/0/6"], told["/42769/0/7"], told["/42769/0/8"]) == (16384, 16384, 8192)
    assert told["/42769/0/25"] == profile.vendor_id
    assert told["/42769/0/32/0"] == profile.target.isa[0]
    assert set(server.registrations[0].objects) == {
        *((1, 0), (3, 0), (9, 0), (9, 1), (42769, 0), (42770, 0), (42770, 1), (42771, 0), (42771, 1), (42773, 0))
    }


async def test_every_object_can_be_read_whole_in_every_format(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        await run_module(server, modules.package(profile, 1))
        for path in ("/3", "/9", "/42769", "/42770", "/42771"):
            for accept in (11542, 110, 112, 11543):
                assert await server.read(path, accept)


@pytest.mark.parametrize("target", ["cortex-m4f", "rv32imc"])
async def test_the_whole_life_of_a_module_by_software_management(
    server: Server, make_device: MakeDevice, modules: Modules, with_profile: Callable[..., DeviceProfile], target: str
) -> None:
    from lwm2m_ml.compiler.targets import load_target  # noqa: PLC0415

    profile = with_profile(target=load_target(target))
    package = modules.package(profile, 7, bias=2)
    async with make_device(profile) as device:
        await server.until_registered()
        await deliver(server, package)
        assert await server.value("/9/0/9") == SoftwareResult.DOWNLOADED_AND_VERIFIED
        assert await server.value("/42770/0/11") == ModuleState.STAGED
        assert await server.execute("/9/0/10") is Code.METHOD_NOT_ALLOWED
        await install_and_activate(server)
        assert await server.value("/9/0/12") is True
        assert await server.value("/42770/0/11") == ModuleState.TRIAL
        assert await server.value("/42770/0/19") == 100.0
        assert await server.value("/42769/0/37") == 0
        await server.until(lambda: len(server.sent) >= 5)
        assert await server.execute("/42770/0/13") is Code.CHANGED
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE
        assert await server.value("/42769/0/37") == 7
        assert await server.value("/42769/0/10") == 1
        assert await server.execute("/9/0/11") is Code.CHANGED
        assert await server.value("/42770/0/11") == ModuleState.STANDBY
        assert await server.execute("/9/0/6") is Code.CHANGED
        assert await server.value("/9/0/7") == UpdateState.INITIAL
        assert await server.value("/42770/0/11") == ModuleState.EMPTY
    assert [record.index for record in device.inferences] == list(range(len(device.inferences)))
    assert all(record.outputs == (expected(record.index, 2),) for record in device.inferences)
    assert all(record.instructions > 10 for record in device.inferences)


async def test_results_are_sent_so_that_the_outputs_can_be_recovered(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile) as device:
        await server.until_registered()
        await run_module(server, modules.package(profile, 1))
        await server.until(lambda: len(server.sent) >= 3)
        values = {str(record.path): record.value for record in server.sent[2]}
    outputs = device.inferences[2].outputs[0]
    scores = [values[f"/42771/0/4/{index}"] for index in range(3)]
    assert bytes((round(score * 256 / 100) - 128) & 0xFF for score in scores) == outputs
    assert values["/42771/0/1"] == scores.index(max(scores))
    assert (values["/42771/0/3"], values["/42771/0/5"], values["/42770/0/25"]) == (max(scores), 3, 3)
    assert values["/42770/0/27"] == pytest.approx(device.inferences[2].instructions / 64e6 * 1000)


@pytest.mark.parametrize(
    ("offset", "result"),
    [(40, ModuleResult.SIGNATURE_INVALID), (-10, ModuleResult.DIGEST_MISMATCH)],
)
async def test_one_flipped_bit_is_refused_and_the_old_module_keeps_running(
    server: Server,
    make_device: MakeDevice,
    profile: DeviceProfile,
    modules: Modules,
    offset: int,
    result: ModuleResult,
) -> None:
    broken = bytearray(modules.package(profile, 2, bias=1))
    broken[offset] ^= 4
    async with make_device(profile) as device:
        await server.until_registered()
        await run_module(server, modules.package(profile, 1))
        server.packages["broken"] = bytes(broken)
        await server.write("/9/1/3", server.package_uri("broken"))
        await server.poll("/9/1/9", SoftwareResult.INTEGRITY_CHECK_FAILED)
        assert await server.value("/9/1/7") == UpdateState.INITIAL
        assert await server.value("/42770/1/11") == ModuleState.FAILED
        assert await server.value("/42770/1/12") == result
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE
        before = len(device.inferences)
        await server.until(lambda: len(device.inferences) > before + 2)
        await deliver(server, modules.package(profile, 2, bias=1), slot=1, name="whole")
    assert all(record.outputs == (expected(record.index, 0),) for record in device.inferences)


@pytest.mark.parametrize(
    ("changes", "result", "software_result"),
    [
        ({"arena_bytes": 40_000}, ModuleResult.WORKING_MEMORY_TOO_SMALL, SoftwareResult.OUT_OF_MEMORY),
        ({"filler": 9000}, ModuleResult.STORAGE_TOO_SMALL, SoftwareResult.NOT_ENOUGH_STORAGE),
        ({"abi": "2.0.0"}, ModuleResult.RUNTIME_VERSION_MISMATCH, SoftwareResult.UNSUPPORTED_PACKAGE_TYPE),
    ],
)
async def test_what_does_not_fit_is_refused_before_it_is_fetched(
    server: Server,
    make_device: MakeDevice,
    profile: DeviceProfile,
    modules: Modules,
    changes: dict[str, Any],
    result: ModuleResult,
    software_result: SoftwareResult,
) -> None:
    async with make_device(profile) as device:
        await server.until_registered()
        server.packages["large"] = modules.package(profile, 1, **({"filler": 6000} | changes))
        await server.write("/9/0/3", server.package_uri("large"))
        await server.poll("/9/0/9", software_result)
        assert await server.value("/42770/0/12") == result
        assert max(server.blocks_asked) < 3
    assert not any(block >= 4 for block in device.flash.wear)


async def test_a_strangers_signature_is_refused(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    stranger = type(modules)(SigningKey.generate(), modules.blobs)
    async with make_device(profile):
        await server.until_registered()
        server.packages["strange"] = stranger.package(profile, 1)
        await server.write("/9/0/3", server.package_uri("strange"))
        await server.poll("/42770/0/12", ModuleResult.SIGNATURE_INVALID)


async def test_an_older_sequence_number_is_refused_once_a_newer_one_was_confirmed(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        await run_module(server, modules.package(profile, 5))
        server.packages["old"] = modules.package(profile, 5, bias=1)
        await server.write("/9/1/3", server.package_uri("old"))
        await server.poll("/42770/1/12", ModuleResult.SEQUENCE_NUMBER_TOO_LOW)


async def test_a_wrong_known_answer_keeps_the_module_from_its_trial(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        await run_module(server, modules.package(profile, 1))
        await deliver(server, modules.package(profile, 2, vectors=((bytes(4), bytes(3)),), bias=9), 1, "lying")
        await install_and_activate(server, 1)
        assert await server.value("/42770/1/11") == ModuleState.FAILED
        assert await server.value("/42770/1/12") == ModuleResult.SELF_TEST_MISMATCH
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE


async def test_a_trial_that_nobody_confirms_rolls_itself_back(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        await run_module(server, modules.package(profile, 1))
        assert await server.write("/42770/1/15", 1) is Code.CHANGED
        await deliver(server, modules.package(profile, 2, bias=1), 1, "second")
        await install_and_activate(server, 1)
        assert await server.value("/42770/0/11") == ModuleState.STANDBY
        await server.poll("/42770/1/12", ModuleResult.TRIAL_UNCONFIRMED)
        assert await server.value("/42770/1/11") == ModuleState.FAILED
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE


async def test_a_trial_that_is_too_slow_rolls_itself_back(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        assert await server.write("/42770/0/32", 1e-6) is Code.CHANGED
        await deliver(server, modules.package(profile, 1))
        await install_and_activate(server)
        await server.poll("/42770/0/12", ModuleResult.LATENCY_LIMIT_PASSED)


async def test_the_server_rolls_back(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        await run_module(server, modules.package(profile, 1))
        await run_module(server, modules.package(profile, 2, bias=1), 1, "second")
        assert await server.execute("/42770/1/14") is Code.CHANGED
        assert await server.value("/42770/1/12") == ModuleResult.ROLLED_BACK_BY_SERVER
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE


async def test_a_reset_during_the_trial_ends_it(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        await run_module(server, modules.package(profile, 1))
        await deliver(server, modules.package(profile, 2, bias=1), 1, "second")
        await install_and_activate(server, 1)
        assert await server.execute("/3/0/4") is Code.CHANGED
        await server.until_registered(2)
        assert await server.value("/42770/1/12") == ModuleResult.RESET_DURING_TRIAL
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE


async def test_a_power_cut_in_the_middle_of_a_transfer_resumes_at_the_block_needed(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(faults=Faults(power_cut_after_blocks=12), erase_block_bytes=1024)
    package = modules.package(profile, 1, filler=7000)
    async with make_device(profile) as device:
        await server.until_registered()
        first_port = server.device.address[1]
        server.packages["first"] = package
        await server.write("/9/0/3", server.package_uri("first"))
        await server.until_registered(2)
        assert server.device.address[1] != first_port
        await server.poll("/9/0/7", UpdateState.DELIVERED)
        await install_and_activate(server)
        assert await server.value("/42770/0/11") == ModuleState.TRIAL
    assert device.boots == 2
    again = [block for block in set(server.blocks_asked) if server.blocks_asked.count(block) > 1]
    assert 0 not in again
    assert len(again) <= 3


async def test_a_bit_that_flips_on_the_way_is_refused(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(faults=Faults(package_bit_flip=PackageBitFlip(1200, 3)))
    async with make_device(profile):
        await server.until_registered()
        server.packages["first"] = modules.package(profile, 1)
        await server.write("/9/0/3", server.package_uri("first"))
        await server.poll("/42770/0/12", ModuleResult.DIGEST_MISMATCH)


async def test_a_bit_that_rots_in_the_active_module_changes_its_answers(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(faults=Faults(bit_rot=BitRot(after_inferences=3)))
    async with make_device(profile) as device:
        await server.until_registered()
        await run_module(server, modules.package(profile, 1, bias=1, filler=0))
        await server.until(lambda: len(device.inferences) >= 6)
    assert all(record.outputs == (expected(record.index, 1),) for record in device.inferences[:3])
    assert device.inferences[3].outputs != (expected(3, 1),)


async def test_a_bit_that_rots_at_a_given_place(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(faults=Faults(bit_rot=BitRot(payload_offset=5, bit=2)))
    package = modules.package(profile, 1)
    async with make_device(profile) as device:
        await server.until_registered()
        await deliver(server, package)
        await install_and_activate(server)
        await server.until(lambda: server.sent)
        assert device.firmware is not None
        module = device.firmware.modules.in_use
        assert module is not None
        healthy = package[-module.payload_bytes :]
        rotten = device.firmware.modules.payload(module)
    assert [index for index in range(len(healthy)) if healthy[index] != rotten[index]] == [5]
    assert healthy[5] ^ rotten[5] == 1 << 2


async def test_push_of_a_package_in_blocks(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        package = modules.package(profile, 1, filler=5000)
        assert (await server.ask(Code.PUT, "/9/0/2", package, content_format=42)).code is Code.CHANGED
        assert await server.value("/9/0/7") == UpdateState.DELIVERED


@pytest.mark.parametrize(
    ("uri", "result"),
    [
        ("http://127.0.0.1/x", SoftwareResult.INVALID_URI),
        ("nonsense", SoftwareResult.INVALID_URI),
        ("coap://127.0.0.1:1/x", SoftwareResult.CONNECTION_LOST),
    ],
)
async def test_a_package_that_cannot_be_fetched(
    server: Server,
    make_device: MakeDevice,
    with_profile: Callable[..., DeviceProfile],
    uri: str,
    result: SoftwareResult,
) -> None:
    profile = with_profile(fetch=FetchSettings(attempts=2, pause=0.05, patience=0.1))
    async with make_device(profile):
        await server.until_registered()
        await server.write("/9/0/3", uri)
        await server.poll("/9/0/9", result)
        assert await server.value("/9/0/7") == UpdateState.INITIAL


async def test_the_whole_life_of_a_module_by_firmware_update(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(delivery=DeliveryObject.FIRMWARE_UPDATE)
    server.packages["image"] = modules.package(profile, 1, bias=3)
    async with make_device(profile) as device:
        await server.until_registered()
        assert str(await server.value("/42770/1/4")) == "5:0"
        assert await server.execute("/5/0/2") is Code.METHOD_NOT_ALLOWED
        await server.write("/5/0/1", server.package_uri("image"))
        await server.poll("/5/0/3", State.DOWNLOADED)
        port = server.device.address[1]
        assert await server.execute("/5/0/2") is Code.CHANGED
        await server.until_registered(2)
        assert server.device.address[1] != port
        assert server.deregistered == 0
        assert await server.value("/5/0/5") == UpdateResult.SUCCESS
        assert await server.value("/5/0/3") == State.IDLE
        assert await server.value("/42770/0/11") == ModuleState.TRIAL
        await server.until(lambda: len(server.sent) >= 2)
        assert await server.execute("/42770/0/13") is Code.CHANGED
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE
    assert all(record.outputs == (expected(record.index, 3),) for record in device.inferences)


async def test_a_firmware_update_can_be_reset_cancelled_and_refused(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(delivery=DeliveryObject.FIRMWARE_UPDATE)
    server.packages["image"] = modules.package(profile, 1)
    server.packages["lying"] = modules.package(profile, 2, vectors=((bytes(4), bytes(3)),), bias=9)
    async with make_device(profile):
        await server.until_registered()
        for path, end, result in (("/5/0/10", "", UpdateResult.CANCELLED), ("", "/5/0/1", UpdateResult.INITIAL)):
            await server.write("/5/0/1", server.package_uri("image"))
            await server.poll("/5/0/3", State.DOWNLOADED)
            assert await (server.execute(path) if path else server.write(end, "")) is Code.CHANGED
            assert await server.value("/5/0/3") == State.IDLE
            assert await server.value("/5/0/5") == result
        await server.write("/5/0/1", "ftp://127.0.0.1/x")
        await server.poll("/5/0/5", UpdateResult.UNSUPPORTED_PROTOCOL)
        await server.write("/5/0/1", server.package_uri("lying"))
        await server.poll("/5/0/3", State.DOWNLOADED)
        await server.execute("/5/0/2")
        await server.until_registered(2)
        assert await server.value("/5/0/5") == UpdateResult.UPDATE_FAILED
        assert await server.value("/42770/0/12") == ModuleResult.SELF_TEST_MISMATCH


async def test_observers_of_the_update_state_hear_of_the_delivery(
    server: Server, make_device: MakeDevice, profile: DeviceProfile, modules: Modules
) -> None:
    async with make_device(profile):
        await server.until_registered()
        heard: list[bytes] = []
        await server.observe("/9/0/7", heard)
        await deliver(server, modules.package(profile, 1))
        await server.until(lambda: heard and heard[-1] == b"3")


async def test_a_device_of_1_0_is_observed_where_others_send(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(version="1.0")
    async with make_device(profile) as device:
        await server.until_registered()
        heard: list[bytes] = []
        await server.observe("/42771/0/5", heard)
        assert device.firmware is not None
        device.firmware.intakes[0].push(modules.package(profile, 1))
        await device.firmware.modules.activate(0)
        await server.until(lambda: len(heard) >= 3)
    assert server.sent == []
    assert server.registrations[0].version == "1.0"


async def test_a_device_in_queue_mode_registers_so_and_still_takes_a_module(
    server: Server, make_device: MakeDevice, with_profile: Callable[..., DeviceProfile], modules: Modules
) -> None:
    profile = with_profile(queue_awake=1.0, version="1.2")
    async with make_device(profile):
        await server.until_registered()
        assert server.registrations[0].queue_mode
        await run_module(server, modules.package(profile, 1))


def test_a_device_without_room_for_a_delivery_is_refused(with_profile: Callable[..., DeviceProfile]) -> None:
    with pytest.raises(InvalidFleet, match="no room for a delivery"):
        with_profile(ram_bytes=16_384, working_memory_bytes=16_000)
