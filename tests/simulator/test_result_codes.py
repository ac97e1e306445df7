"""Every reason of 42770/x/12 to refuse a package, and the order in which a device looks for them."""

from collections.abc import Callable
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.module.drift import DriftReference
from lwm2m_ml.module.encryption import SharedKey
from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.modules.decoders import DecoderLimits

Server = Any
MakeDevice = Callable[..., SimulatedDevice]
STRANGER = SigningKey.generate()
LIMITS = DecoderLimits(4096, 8192)
FLOOR = 5
# Each makes the package wrong in one way; what is looked for first stands first.
FAULTS: dict[ModuleResult, dict[str, Any]] = {
    ModuleResult.SIGNATURE_INVALID: {"build": {"key": STRANGER}},
    ModuleResult.WRONG_VENDOR_OR_CLASS: {"build": {"class_id": bytes(16)}},
    ModuleResult.SEQUENCE_NUMBER_TOO_LOW: {"sequence_number": FLOOR},
    ModuleResult.STORAGE_TOO_SMALL: {"filler": 9000},
    ModuleResult.WORKING_MEMORY_TOO_SMALL: {"arena_bytes": 40_000},
    ModuleResult.OPERATOR_MISSING: {"operator_set": "tflite-micro"},
    ModuleResult.RUNTIME_VERSION_MISMATCH: {"abi": "2.0.0"},
}
LATER: dict[ModuleResult, dict[str, Any]] = {
    ModuleResult.DELTA_BASE_MISMATCH: {"build": {"encodings": (PayloadEncoding.DELTA,), "base": b"another" * 99}},
    ModuleResult.DECODING_FAILED: {"build": {"encodings": (PayloadEncoding.ZSTD,)}},
    ModuleResult.DECRYPTION_FAILED: {"build": {"recipients": [SharedKey(bytes(16))]}},
    ModuleResult.SELF_TEST_MISMATCH: {"vectors": ((bytes(4), bytes(3)),)},
}


@pytest.fixture
def profile(with_profile: Any) -> Any:
    return with_profile(decoders=LIMITS, active_power_watts=0.01)


async def prepared(server: Server, modules: Any, profile: Any) -> None:
    """Confirm a module in slot 0, so that the floor is up."""
    await server.until_registered()
    server.packages["old"] = modules.package(profile, FLOOR)
    await server.write("/9/0/3", server.package_uri("old"))
    await server.poll("/42770/0/11", ModuleState.STAGED)
    for path in ("/9/0/4", "/9/0/10", "/42770/0/13"):
        assert await server.execute(path) is Code.CHANGED


async def outcome(server: Server, package: bytes, name: str) -> Any:
    """Deliver into slot 1 and try to activate; returns the result."""
    server.packages[name] = package
    await server.write("/9/1/3", server.package_uri(name))
    if await server.poll("/42770/1/11", ModuleState.STAGED, ModuleState.FAILED) == ModuleState.STAGED:
        for path in ("/9/1/4", "/9/1/10"):
            assert await server.execute(path) is Code.CHANGED
    result = await server.value("/42770/1/12")
    on_trial = result == ModuleResult.INITIAL
    assert await server.value("/42770/0/11") == (ModuleState.STANDBY if on_trial else ModuleState.ACTIVE)
    assert await server.value("/42769/0/37") == FLOOR
    return result


def package(modules: Any, profile: Any, faults: dict[str, Any]) -> bytes:
    made: bytes = modules.package(profile, **({"sequence_number": FLOOR + 1, "bias": 1} | faults))
    return made


@pytest.mark.parametrize("result", [*FAULTS, *LATER], ids=lambda result: result.name)
async def test_each_reason_has_its_result_and_leaves_the_old_module_running(
    server: Server, make_device: MakeDevice, modules: Any, profile: Any, result: ModuleResult
) -> None:
    if result is ModuleResult.DELTA_BASE_MISMATCH:
        pytest.importorskip("detools", reason="deltas need the extra [delta]")
    async with make_device(profile):
        await prepared(server, modules, profile)
        wrong = package(modules, profile, (FAULTS | LATER)[result])
        assert await outcome(server, wrong, "wrong") == result


async def test_a_changed_payload_is_a_digest_mismatch(
    server: Server, make_device: MakeDevice, modules: Any, profile: Any
) -> None:
    broken = bytearray(package(modules, profile, {}))
    broken[-9] ^= 1
    async with make_device(profile):
        await prepared(server, modules, profile)
        assert await outcome(server, bytes(broken), "broken") == ModuleResult.DIGEST_MISMATCH


async def test_of_several_reasons_the_first_in_order_is_told(
    server: Server, make_device: MakeDevice, modules: Any, profile: Any
) -> None:
    async with make_device(profile):
        await prepared(server, modules, profile)
        reasons = list(FAULTS)
        for first, reason in enumerate(reasons):
            together: dict[str, Any] = {}
            for later in reasons[first:]:
                for key, value in FAULTS[later].items():
                    together[key] = {**together.get(key, {}), **value} if isinstance(value, dict) else value
            assert await outcome(server, package(modules, profile, together), reason.name) == reason
            assert await server.execute("/9/1/6") in {Code.CHANGED, Code.METHOD_NOT_ALLOWED}


REFERENCE = DriftReference((0.0,), (1.0,), ((10.0,),), ((0.5, 0.5),))


async def test_inputs_that_drift_past_the_limit_end_a_trial(
    server: Server, make_device: MakeDevice, modules: Any, profile: Any
) -> None:
    async with make_device(profile):
        await prepared(server, modules, profile)
        assert await server.write("/42770/1/33", 0.01) is Code.CHANGED
        drifting = DriftReference((0.0,), (1.0,), ((-1e6,),), ((0.9, 0.1),))
        assert await outcome(server, package(modules, profile, {"drift": drifting}), "drifts") == ModuleResult.INITIAL
        await server.poll("/42770/1/12", ModuleResult.DRIFT_OR_FAILURE_LIMIT_PASSED)
        assert await server.value("/42770/0/11") == ModuleState.ACTIVE


async def test_histogram_drift_capture_and_benchmark(
    server: Server, make_device: MakeDevice, modules: Any, profile: Any
) -> None:
    async with make_device(profile):
        await prepared(server, modules, profile)
        await outcome(server, package(modules, profile, {"drift": REFERENCE}), "drift")
        await server.until(lambda: sum(sent[0].path.instance_id == 1 for sent in server.sent) >= 25)
        histogram = await server.read("/42771/1/15")
        assert sum(int(count) for count in histogram.values()) % 4 == 0
        assert len(histogram) == 2
        assert isinstance(await server.value("/42770/1/31"), float)
        assert await server.value("/42769/0/31") == 0.01
        energy, latency = await server.value("/42770/1/30"), await server.value("/42770/1/28")
        assert energy == pytest.approx(0.01 * float(latency) / 1000, rel=0.05)
        assert await server.execute("/42771/1/11") is Code.CHANGED
        link = await server.poll_any("/42771/1/12")
        assert (link.object_id, link.instance_id) == (19, 1)
        captured = await server.value("/19/1/0/0")
        assert isinstance(captured, bytes)
        assert len(captured) == 4
        assert captured[1:] == bytes([20, 246, 3])
        await server.until(lambda: server.updates)
        assert await server.execute("/42771/1/13") is Code.CHANGED
        assert await server.execute("/42769/0/29") is Code.CHANGED
        assert await server.value("/42769/0/30") == pytest.approx(64e6 / 5, rel=0.01)
