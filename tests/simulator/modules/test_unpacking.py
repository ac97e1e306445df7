"""Payloads that come packed, as a delta, or encrypted."""

from collections.abc import Callable
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.module.encryption import SharedKey
from lwm2m_ml.module.manifest import PayloadEncoding, PayloadForm
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.modules.decoders import DecoderLimits, decoder_bytes

Server = Any
Modules = Any
MakeDevice = Callable[..., SimulatedDevice]
SMALL = DecoderLimits(memory_bytes=4096, staging_bytes=8192)
LARGE = DecoderLimits(memory_bytes=131_072, staging_bytes=8192)
KEY = SharedKey(bytes(16))


async def deliver(server: Server, package: bytes, slot: int, name: str) -> None:
    server.packages[name] = package
    assert await server.write(f"/9/{slot}/3", server.package_uri(name)) is Code.CHANGED
    await server.poll(f"/42770/{slot}/11", ModuleState.STAGED, ModuleState.FAILED)


async def run(server: Server, slot: int) -> None:
    for path in (f"/9/{slot}/4", f"/9/{slot}/10"):
        assert await server.execute(path) is Code.CHANGED
    assert await server.value(f"/42770/{slot}/11") == ModuleState.TRIAL
    assert await server.execute(f"/42770/{slot}/13") is Code.CHANGED


@pytest.mark.parametrize(
    ("limits", "encodings", "window"),
    [
        (DecoderLimits(), {PayloadEncoding.NONE}, 0),
        (DecoderLimits(memory_bytes=100_000), {PayloadEncoding.NONE}, 0),
        (DecoderLimits(400, 4096), {PayloadEncoding.NONE, PayloadEncoding.HEATSHRINK}, 256),
        (DecoderLimits(131_072, 4096), set(PayloadEncoding), 16_384),
    ],
)
def test_encodings_follow_from_memory_and_staging_area(
    limits: DecoderLimits, encodings: set[PayloadEncoding], window: int
) -> None:
    assert set(limits.encodings) | {PayloadEncoding.DELTA} == encodings | {PayloadEncoding.DELTA}
    assert limits.window_bytes == window
    if window:
        packed = PayloadForm(PayloadEncoding.HEATSHRINK, 1, window_bits=window.bit_length() - 1)
        assert decoder_bytes(packed) <= limits.memory_bytes


@pytest.mark.parametrize("encoding", [PayloadEncoding.HEATSHRINK, PayloadEncoding.ZSTD])
async def test_a_packed_module_runs_and_survives_a_reboot(
    server: Server, make_device: MakeDevice, modules: Modules, with_profile: Any, encoding: PayloadEncoding
) -> None:
    profile: DeviceProfile = with_profile(ram_bytes=262_144, decoders=LARGE, write_bytes=8)
    package = modules.package(profile, 1, filler=4000, build={"encodings": (encoding,)})
    assert len(package) < 1500
    async with make_device(profile) as device:
        await server.until_registered()
        assert int(encoding) in (await server.read("/42769/0/21")).values()
        await deliver(server, package, 0, "packed")
        await run(server, 0)
        device.reboot()
        await server.until_registered(2)
        await server.until(lambda: len(server.sent) > 3)
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE
        assert device.firmware is not None
        module = device.firmware.modules.loaded(0)
        assert module is not None
        assert device.firmware.modules.payload(module) == modules.image(profile, 0, 4000)
        assert module.payload_offset % 16 == 0


async def test_a_delta_applies_to_what_runs(
    server: Server, make_device: MakeDevice, modules: Modules, with_profile: Any
) -> None:
    pytest.importorskip("detools", reason="deltas need the extra [delta]")
    profile: DeviceProfile = with_profile(decoders=SMALL)
    build = {"encodings": (PayloadEncoding.DELTA,), "base": modules.image(profile)}
    delta = modules.package(profile, 2, bias=1, build=build)
    foreign = modules.package(profile, 3, bias=2, build=build | {"base": b"something else" * 9})
    async with make_device(profile) as device:
        await server.until_registered()
        await deliver(server, modules.package(profile, 1), 0, "base")
        await run(server, 0)
        await deliver(server, foreign, 1, "foreign")
        assert await server.value("/42770/1/12") == ModuleResult.DELTA_BASE_MISMATCH
        await server.execute("/9/1/6")
        await deliver(server, delta, 1, "delta")
        await run(server, 1)
        await server.until(lambda: any(sent[0].path.instance_id == 1 for sent in server.sent))
        assert device.firmware is not None
        module = device.firmware.modules.in_use
        assert module is not None
        assert device.firmware.modules.payload(module) == modules.image(profile, 1)


async def test_a_packed_module_is_resumed_after_a_power_cut(
    server: Server, make_device: MakeDevice, modules: Modules, with_profile: Any
) -> None:
    from lwm2m_ml_simulator.device.faults import Faults  # noqa: PLC0415

    profile: DeviceProfile = with_profile(ram_bytes=262_144, decoders=LARGE, faults=Faults(power_cut_after_blocks=2))
    package = modules.package(profile, 1, bias=1, build={"encodings": (PayloadEncoding.HEATSHRINK,)})
    async with make_device(profile) as device:
        await server.until_registered()
        server.packages["packed"] = package
        await server.write("/9/0/3", server.package_uri("packed"))
        await server.until_registered(2)
        await server.poll("/42770/0/11", ModuleState.STAGED)
        await run(server, 0)
        assert device.boots == 2


@pytest.mark.parametrize(("staging", "memory"), [(8192, 300), (0, 4096)])
async def test_a_payload_that_cannot_be_unpacked_here_is_refused_before_it_is_fetched(
    server: Server, make_device: MakeDevice, modules: Modules, with_profile: Any, staging: int, memory: int
) -> None:
    profile: DeviceProfile = with_profile(decoders=DecoderLimits(memory, staging))
    package = modules.package(profile, 1, filler=5000, build={"encodings": (PayloadEncoding.HEATSHRINK,)})
    async with make_device(profile):
        await server.until_registered()
        await deliver(server, package, 0, "packed")
        assert await server.value("/42770/0/12") in {
            ModuleResult.WORKING_MEMORY_TOO_SMALL,
            ModuleResult.DECODING_FAILED,
        }


@pytest.mark.parametrize("right", [True, False])
async def test_an_encrypted_payload_needs_the_devices_key(
    server: Server, make_device: MakeDevice, modules: Modules, with_profile: Any, right: bool
) -> None:
    profile: DeviceProfile = with_profile(decoders=SMALL, decryption_key=KEY if right else SharedKey(bytes(range(16))))
    package = modules.package(profile, 1, build={"recipients": [KEY]})
    async with make_device(profile):
        await server.until_registered()
        await deliver(server, package, 0, "secret")
        result = await server.value("/42770/0/12")
        if right:
            await run(server, 0)
    assert result == (ModuleResult.INITIAL if right else ModuleResult.DECRYPTION_FAILED)
