"""The attacks that TUF and Uptane name, on a whole device: what it runs goes on, and nothing of the attacker's runs.

Whoever stands between server and device, or has broken into the server but has no key, can send what he likes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import cbor2
import pytest
from aiocoap import Code, Message

from lwm2m_ml.coap.errors import RequestTimeout
from lwm2m_ml.lwm2m.software_management import UpdateResult
from lwm2m_ml.module import cbor, envelope
from lwm2m_ml.module.inspection import inspect_package
from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml.module.trust_list import TrustedKey, TrustList
from lwm2m_ml_simulator.client.endpoint import DeviceEndpoint
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeviceProfile

Device = Callable[..., Any]
MakeDevice = Callable[..., SimulatedDevice]
GOOD = 5


@pytest.fixture
def device(server: Any, make_device: MakeDevice, modules: Any, profile: DeviceProfile) -> Device:
    """A device on which a module with sequence number 5 was confirmed; `root` signs its trust lists."""

    @asynccontextmanager
    async def start(root: SigningKey | None = None) -> AsyncIterator[SimulatedDevice]:
        roots = [] if root is None else [root.verification_key]
        async with make_device(profile, trust_roots=roots) as running:
            await server.until_registered()
            assert await attempt(server, modules.package(profile, GOOD), slot=0) == ModuleResult.INITIAL
            assert await server.execute("/42770/0/13") is Code.CHANGED
            yield running
            states = [await server.value(f"/42770/{slot}/11") for slot in (0, 1)]
            assert ModuleState.ACTIVE in states
            assert await server.value("/42769/0/37") >= GOOD

    return start


async def attempt(server: Any, package: bytes, slot: int = 1) -> ModuleResult:
    """Push a package, install and activate it; the result that the slot tells."""
    if await server.value(f"/9/{slot}/7"):
        await server.execute(f"/9/{slot}/6")
    await server.write(f"/9/{slot}/2", package)
    if await server.value(f"/42770/{slot}/11") == ModuleState.STAGED:
        for resource in (4, 10):
            await server.execute(f"/9/{slot}/{resource}")
    return ModuleResult(await server.value(f"/42770/{slot}/12"))


async def test_arbitrary_software(server: Any, device: Device, modules: Any, profile: DeviceProfile) -> None:
    async with device():
        forged = modules.package(profile, GOOD + 1, build={"key": SigningKey.generate()})
        for package in (forged, b"\x7fELF" + bytes(500), b"\x01"):
            assert await attempt(server, package) == ModuleResult.SIGNATURE_INVALID


@pytest.mark.parametrize("identifier", ["vendor_id", "class_id"])
async def test_a_module_for_another_vendor_or_class(
    server: Any, device: Device, modules: Any, profile: DeviceProfile, identifier: str
) -> None:
    async with device():
        foreign = modules.package(profile, GOOD + 1, build={identifier: bytes(16)})
        assert await attempt(server, foreign) == ModuleResult.WRONG_VENDOR_OR_CLASS


async def test_rollback(server: Any, device: Device, modules: Any, profile: DeviceProfile) -> None:
    async with device():
        for number in (GOOD - 1, 1):
            assert await attempt(server, modules.package(profile, number)) == ModuleResult.SEQUENCE_NUMBER_TOO_LOW


async def test_replayed_manifest(server: Any, device: Device, modules: Any, profile: DeviceProfile) -> None:
    async with device():
        # What was confirmed once, byte for byte.
        assert await attempt(server, modules.package(profile, GOOD)) == ModuleResult.SEQUENCE_NUMBER_TOO_LOW


async def test_freeze(server: Any, device: Device, modules: Any, profile: DeviceProfile) -> None:
    """Who keeps the list of a newer key from a device does not keep the old key good for ever: its time ends."""
    root, now = SigningKey.generate(), time.time()
    async with device(root):
        expired = TrustList(2, (TrustedKey(modules.key.verification_key, valid_until=int(now) - 1),)).sign(root)
        assert await server.write("/42769/0/36", expired) is Code.CHANGED
        assert await attempt(server, modules.package(profile, GOOD + 1)) == ModuleResult.SIGNATURE_INVALID
        older = TrustList(1, (TrustedKey(modules.key.verification_key),)).sign(root)
        assert await server.write("/42769/0/36", older) is Code.BAD_REQUEST
        assert await server.value("/42769/0/35") == 2


async def test_mix_and_match(server: Any, device: Device, modules: Any, profile: DeviceProfile) -> None:
    one = cbor2.loads(modules.package(profile, GOOD + 1, bias=1)).value
    other = cbor2.loads(modules.package(profile, GOOD + 2, bias=2)).value
    async with device():
        for part in one:
            mixed = envelope.ENVELOPE_TAG + cbor.encode(one | {part: other[part]})
            result = await attempt(server, mixed)
            assert result in {ModuleResult.SIGNATURE_INVALID, ModuleResult.DIGEST_MISMATCH}


async def test_endless_data(server: Any, device: Device, modules: Any, profile: DeviceProfile) -> None:
    async with device() as mcu:
        wear = mcu.flash.operations
        package = modules.package(profile, GOOD + 1)
        assert await attempt(server, package + bytes(500_000)) in {
            ModuleResult.DIGEST_MISMATCH,
            ModuleResult.STORAGE_TOO_SMALL,
        }
        for endless in (b"\xd8\x6b\xa4\x02\x5a\x7f\xff\xff\xff", bytes(9)):
            result = await attempt(server, endless + bytes(500_000))
            assert result in {ModuleResult.SIGNATURE_INVALID, ModuleResult.STORAGE_TOO_SMALL}
        assert mcu.flash.operations - wear < 2 * profile.slot_bytes / profile.write_bytes


async def test_slow_retrieval(
    server: Any, device: Device, profile: DeviceProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that never gives the next block costs a device its patience, and nothing else."""
    async with device() as mcu:
        waited: list[float] = []

        request = DeviceEndpoint.request

        async def never(endpoint: DeviceEndpoint, message: Message, **options: Any) -> Message:
            if message.code is not Code.GET:
                return await request(endpoint, message, **options)
            waited.append(options["timeout"])
            await asyncio.sleep(options["timeout"] / 100)
            raise RequestTimeout("nothing came")

        monkeypatch.setattr(DeviceEndpoint, "request", never)
        before = len(mcu.inferences)
        await server.write("/9/1/3", server.package_uri("slow"))
        await server.poll("/9/1/9", UpdateResult.CONNECTION_LOST)
        assert waited == [profile.fetch.patience] * profile.fetch.attempts
        await server.until(lambda: len(mcu.inferences) > before)


async def test_key_compromise_with_rotation(server: Any, device: Device, modules: Any, profile: DeviceProfile) -> None:
    root, good, stolen = SigningKey.generate(), SigningKey.generate(), modules.key
    async with device(root):
        overlap = TrustList(1, (TrustedKey(stolen.verification_key), TrustedKey(good.verification_key)))
        assert await server.write("/42769/0/36", overlap.sign(root)) is Code.CHANGED
        assert await attempt(server, modules.package(profile, 6, build={"key": good})) == ModuleResult.INITIAL
        assert await server.execute("/42770/1/13") is Code.CHANGED
        after = TrustList(2, (TrustedKey(good.verification_key),), (stolen.key_id,))
        assert await server.write("/42769/0/36", after.sign(root)) is Code.CHANGED
        assert await attempt(server, modules.package(profile, 99), slot=0) == ModuleResult.SIGNATURE_INVALID
        by_thief = TrustList(3, (TrustedKey(stolen.verification_key),)).sign(stolen)
        assert await server.write("/42769/0/36", by_thief) is Code.BAD_REQUEST


async def test_bit_flips_in_every_byte_of_the_manifest(
    server: Any, device: Device, modules: Any, profile: DeviceProfile
) -> None:
    package = modules.package(profile, GOOD + 1)
    head = inspect_package(package).head_size
    async with device() as mcu:
        assert mcu.firmware is not None
        for index in range(head):
            flipped = bytearray(package)
            flipped[index] ^= 1 << (index % 8)
            mcu.firmware.intakes[1].push(bytes(flipped))
            assert mcu.firmware.modules.slot(1).result is ModuleResult.SIGNATURE_INVALID, index
