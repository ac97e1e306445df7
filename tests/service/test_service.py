"""The whole service on real sockets: LwM2M server, database and simulated microcontrollers that execute modules."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from lwm2m_ml.bus import Bus
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError, UsageError
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.module.encryption import DecryptionKey, DevicePrivateKey, SharedKey
from lwm2m_ml.module.inspection import inspect_package
from lwm2m_ml.module.signing import VerificationKey
from lwm2m_ml.server.server import Lwm2mServer
from lwm2m_ml.service.campaigns.campaign import CampaignSnapshot
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.service import TinyMLService
from lwm2m_ml.store import Store
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.faults import Faults, PackageBitFlip
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.inputs.digits import load_digits_split
from lwm2m_ml_simulator.modules.decoders import DecoderLimits

Join = Callable[..., Awaitable[SimulatedDevice]]


@asynccontextmanager
async def running(directory: Path, port: int = 0) -> AsyncIterator[TinyMLService]:
    settings = Settings(data_directory=directory, coap_port=port, coaps_port=0, insecure=True, compile_workers=1)
    store, bus = await Store.open(settings.database_url), Bus()
    server = Lwm2mServer(store, bus, Catalogue.shipped(), settings)
    service = TinyMLService(server, store, bus, settings)
    try:
        await server.start()
        await service.start()
        yield service
    finally:
        await service.stop()
        await server.stop()
        await bus.close()
        await store.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.01)


async def finished(service: TinyMLService, started: CampaignSnapshot) -> CampaignSnapshot:
    async def done() -> bool:
        return (await service.campaigns.get(started.campaign.id)).campaign.finished

    await until(done)
    return await service.campaigns.get(started.campaign.id)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[TinyMLService]:
    async with running(tmp_path) as service:
        yield service


@pytest.fixture
async def join(service: TinyMLService) -> AsyncIterator[Join]:
    """Switch on a device and wait until it is registered."""
    async with AsyncExitStack() as fleet:

        async def switch_on(endpoint: str, **changes: Any) -> SimulatedDevice:
            facts: dict[str, Any] = {
                "target": load_target("cortex-m4f"),
                "ram_bytes": 65_536,
                "working_memory_bytes": 32_768,
                "slot_bytes": 65_536,
                "clock_hz": 64e6,
                "inference_period_ms": 5,
                "outage": 0.2,
            }
            profile = DeviceProfile(endpoint=endpoint, **(facts | changes))
            anchor = VerificationKey.from_pem(service.trust_anchor)
            images = list(load_digits_split().test.images)[:50]
            device = SimulatedDevice(profile, service.coap_uri, itertools.cycle(images), [anchor])
            await fleet.enter_async_context(device)

            async def registered() -> bool:
                return any(known.endpoint == endpoint for known in service.devices())

            await until(registered)
            return device

        yield switch_on


async def test_both_roads_end_with_results_that_equal_the_reference_bit_for_bit(
    service: TinyMLService, join: Join
) -> None:
    live = await join("live", target=load_target("rp2040"), slot_bytes=12_288)
    await join("reboots", delivery=DeliveryObject.FIRMWARE_UPDATE)
    deployment = await finished(service, await service.deploy("digits", "all"))
    rows = {row.endpoint: row for row in deployment.devices}
    assert {row.state for row in rows.values()} == {DeviceState.ACTIVE}
    assert (rows["live"].variant, rows["reboots"].variant) == ("digits-small", "digits-large")
    assert (rows["live"].ota_bytes or 0) >= (rows["live"].module_bytes or 0) > 0

    async def fifty() -> bool:
        return len(await service.monitoring.results.results("live")) >= 50

    await until(fifty)
    images = [image.flatten().tolist() for image in load_digits_split().test.images[:50]]
    answers = await service.studies.reference("digits", "digits-small", images)
    assert len(live.inferences) >= 50
    for result in (await service.monitoring.results.results("live"))[
        :50
    ]:  # a device that infers faster than it can send drops some
        expected = answers.outputs[live.inferences[result.number - 1].index % 50]
        assert [round(score * 2.56) + answers.zero_point for score in result.scores] == list(expected)


async def test_a_power_cut_in_the_transfer_does_not_stop_it(service: TinyMLService, join: Join) -> None:
    device = await join("cut", faults=Faults(power_cut_after_blocks=20))
    (row,) = (await finished(service, await service.deploy("digits", ["cut"]))).devices
    assert row.state is DeviceState.ACTIVE
    assert device.boots == 2


async def test_a_flipped_bit_is_refused_and_says_so(service: TinyMLService, join: Join) -> None:
    await join("flipped", faults=Faults(package_bit_flip=PackageBitFlip(offset=2_000)))
    (row,) = (await finished(service, await service.deploy("digits", ["flipped"]))).devices
    assert row.state is DeviceState.FAILED
    assert row.reason in {"signature invalid (result 2)", "digest mismatch (result 3)"}


async def test_a_block_that_arrives_damaged_is_fetched_again_and_no_other(service: TinyMLService, join: Join) -> None:
    await join("noisy", faults=Faults(package_bit_flip=PackageBitFlip(offset=9_000)))
    (row,) = (await finished(service, await service.deploy("digits", ["noisy"]))).devices
    assert row.state is DeviceState.ACTIVE
    assert (row.ota_bytes or 0) <= (row.module_bytes or 0) + 4_096  # headers included


async def test_a_block_that_is_damaged_each_time_ends_the_transfer_before_its_end(
    service: TinyMLService, join: Join
) -> None:
    await join("broken", faults=Faults(package_bit_flip=PackageBitFlip(offset=9_000, times=100)))
    (row,) = (await finished(service, await service.deploy("digits", ["broken"]))).devices
    assert row.state is DeviceState.FAILED
    assert row.reason == "digest mismatch (result 3)"
    assert 9_000 < (row.ota_bytes or 0) < (row.module_bytes or 0)


async def test_a_device_too_small_is_refused_with_figures(service: TinyMLService, join: Join) -> None:
    await join("tiny", target=load_target("samd21"), slots=1, slot_bytes=4_096)
    (row,) = (await finished(service, await service.deploy("digits", ["tiny"]))).devices
    assert row.state is DeviceState.REFUSED
    assert row.reason.endswith("B of module storage, 4,096 B free; smallest variant digits-small")
    fit = await service.studies.fit("digits", "tiny")
    assert fit.chosen is None
    assert len(fit.candidates) == 3


async def test_a_deployment_outlives_the_server(tmp_path: Path, service: TinyMLService, join: Join) -> None:
    faults = Faults(power_cut_after_blocks=20)
    devices = [await join(road.value, delivery=road, outage=0.5, faults=faults) for road in DeliveryObject]
    deployment = await service.deploy("digits", "all")

    async def under_way() -> bool:
        rows = (await service.campaigns.get(deployment.campaign.id)).devices
        return all(row.state is DeviceState.DELIVERING and row.ota_bytes is not None for row in rows)

    await until(under_way)
    port = int(service.coap_uri.rpartition(":")[2])
    await service.stop()
    await service._server.stop()
    async with running(tmp_path, port) as restarted:
        ended = await finished(restarted, deployment)
        assert {row.state for row in ended.devices} == {DeviceState.ACTIVE}
        for device in devices:
            await device.stop()


async def test_operators_read_and_write_by_path(service: TinyMLService, join: Join) -> None:
    await join("live")
    (record,) = await service.operations.read("live", "/3/0/0")
    assert isinstance(record.value, str)
    device = service.device("live")
    assert "/42769/0" in device.objects
    assert (await service.profile("live")).runtime is not None
    with pytest.raises(InvalidInputError, match="/9/0/2"):
        await service.operations.write("live", "/9/0/2", "***")


async def test_a_module_is_found_with_its_facts(service: TinyMLService, join: Join) -> None:
    await join("live")
    (row,) = (await finished(service, await service.deploy("digits", ["live"]))).devices
    module = await service.modules.get(row.module_digest or "")
    assert (module.variant, module.package_bytes, module.facts["exact"]) == (row.variant, row.module_bytes, True)


async def test_what_cannot_be_done_is_said(service: TinyMLService) -> None:
    with pytest.raises(NotFoundError, match="There is no model cats"):
        await service.deploy("cats", "all")
    with pytest.raises(ConflictError, match="No device is registered"):
        await service.deploy("digits", "all")
    with pytest.raises(NotFoundError):
        await service.deploy("digits", ["nobody"])
    with pytest.raises(UsageError):
        await service.deploy("digits", "everyone")
    with pytest.raises(UsageError):
        await service.deploy("digits", [])
    with pytest.raises(NotFoundError):
        await service.modules.get("0" * 64)
    with pytest.raises(NotFoundError):
        await service.campaigns.get("unknown")


async def test_devices_that_take_whole_images_get_firmware_with_the_module_in_it(
    service: TinyMLService, join: Join
) -> None:
    address = 32_768
    device = await join(
        "whole",
        delivery=DeliveryObject.FIRMWARE_UPDATE,
        module_address=address,
        slot_bytes=131_072,
        decoders=DecoderLimits(memory_bytes=4_160, staging_bytes=131_072),
    )
    refused = await finished(service, await service.deploy("digits", "all"))
    assert "that the device takes" in refused.devices[0].reason
    firmware = bytes(range(256)) * 100
    await service.base_images.add(
        firmware,
        vendor_id=device.profile.vendor_id,
        class_id=device.profile.class_id,
        name="app",
        version="1",
        rtos="zephyr",
        slot_address=address,
    )
    (row,) = (await finished(service, await service.deploy("digits", "all"))).devices
    assert (row.state, row.variant) == (DeviceState.ACTIVE, "digits-large")
    assert device.firmware is not None
    running = device.firmware.modules.in_use
    assert running is not None
    image = device.firmware.modules.image(running)
    assert image.startswith(firmware)
    assert image[address:] == device.firmware.modules.payload(running)
    assert len(image) == running.payload_bytes + address
    (again,) = (await finished(service, await service.deploy("digits", "all"))).devices
    assert (again.state, (again.module_bytes or 0) < (row.module_bytes or 0) / 4) == (DeviceState.ACTIVE, True)


async def test_the_server_acknowledges_reports_only_while_there_is_who_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    async def started(server: Lwm2mServer) -> None:
        await start(server)
        seen.append(server.keepers_are_away)

    start = Lwm2mServer.start
    monkeypatch.setattr(Lwm2mServer, "start", started)
    async with running(tmp_path) as service:
        server = service._server
        seen.append(server.keepers_are_away)
    assert [*seen, server.keepers_are_away] == [True, False, True]


async def test_a_device_with_a_key_gets_its_module_encrypted_and_nobody_else_can_read_it(
    service: TinyMLService, join: Join
) -> None:
    key = DevicePrivateKey(X25519PrivateKey.generate())
    await service.encryption_keys.add("secret", key.public.public_key.public_bytes_raw())
    await _gets_its_module_encrypted(service, join, key)


async def test_a_device_that_shares_a_key_with_the_server_gets_its_module_encrypted(
    service: TinyMLService, join: Join
) -> None:
    await _gets_its_module_encrypted(service, join, await service.encryption_keys.share("secret"))


async def _gets_its_module_encrypted(service: TinyMLService, join: Join, key: DecryptionKey) -> None:
    await join("secret", decryption_key=key, decoders=DecoderLimits(memory_bytes=4_160, staging_bytes=65_536))
    (row,) = (await finished(service, await service.deploy("digits", "all"))).devices
    assert row.state is DeviceState.ACTIVE
    contents = inspect_package(await service.package(row.module_digest or ""))
    assert contents.manifest.encryption is not None
    assert contents.head_size <= 640
    assert sha256(contents.payload).digest() != contents.manifest.image_digest


async def test_a_device_that_cannot_decrypt_gets_nothing_once_a_key_is_known(
    service: TinyMLService, join: Join
) -> None:
    await join("open")
    await service.encryption_keys.add("open", bytes(range(32)))
    (row,) = (await finished(service, await service.deploy("digits", "all"))).devices
    assert row.state is DeviceState.FAILED
    assert "is to get encrypted modules" in row.reason


async def test_a_device_that_shares_another_key_does_not_take_the_module(service: TinyMLService, join: Join) -> None:
    await service.encryption_keys.share("secret")
    await join("secret", decryption_key=SharedKey(bytes(16)))
    (row,) = (await finished(service, await service.deploy("digits", "all"))).devices
    assert row.state is DeviceState.FAILED
    assert "decryption failed" in row.reason
