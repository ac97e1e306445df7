"""Campaigns from fit to confirmed, with real modules, a real store and devices in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.module.package import verify_package
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.campaigns.campaign import Campaign, CampaignChanged, CampaignDevice, CampaignSnapshot
from lwm2m_ml.service.campaigns.campaigns import Campaigns, Selection
from lwm2m_ml.service.campaigns.device_run import Workshop
from lwm2m_ml.service.campaigns.plan import Plan
from lwm2m_ml.service.campaigns.records import CampaignRecords
from lwm2m_ml.service.campaigns.reported import ModelObjects
from lwm2m_ml.service.campaigns.states import DeviceState
from lwm2m_ml.service.campaigns.work import Work
from lwm2m_ml.service.delivery.courier import Courier
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.packages import Packages
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.service.signer import Signer
from lwm2m_ml.service.workers.executor import WorkerPool
from lwm2m_ml.service.zoo.zoo import Zoo
from lwm2m_ml.store import Store


class Fleet:
    """The way to several devices in memory."""

    def __init__(self) -> None:
        self.devices: dict[str, Any] = {}

    def instances(self, endpoint: str, object_id: int) -> tuple[int, ...] | None:
        found: tuple[int, ...] | None = self._of(endpoint).instances(endpoint, object_id)
        return found

    def last_seen(self, endpoint: str) -> float | None:
        return 0.0 if endpoint in self.devices else None

    def awake(self, endpoint: str) -> bool:
        return endpoint in self.devices and not self.devices[endpoint].asleep

    async def read(self, endpoint: str, path: ObjectPath) -> Sequence[Record]:
        found: Sequence[Record] = await self._of(endpoint).read(endpoint, path)
        return found

    async def write(self, endpoint: str, path: ObjectPath, value: Value) -> None:
        await self._of(endpoint).write(endpoint, path, value)

    async def push(
        self, endpoint: str, path: ObjectPath, content: bytes, *, within: float, block_bytes: int | None
    ) -> None:
        await self._of(endpoint).push(endpoint, path, content, within=within, block_bytes=block_bytes)

    async def execute(self, endpoint: str, path: ObjectPath, arguments: str = "") -> None:
        await self._of(endpoint).execute(endpoint, path, arguments)

    async def observe(self, endpoint: str, path: ObjectPath, *, lasting: bool = False) -> None:
        return None

    def _of(self, endpoint: str) -> Any:
        if endpoint not in self.devices:
            raise UnknownDevice(endpoint)
        return self.devices[endpoint]


class House:
    """The service around deployments, which can be stopped and started again over the same store."""

    def __init__(self, store: Store, bus: Bus, shelf: Any, fleet: Fleet, workers: WorkerPool, directory: Path) -> None:
        self.store, self.bus, self.shelf, self.fleet, self.workers = store, bus, shelf, fleet, workers
        self.signer = Signer.open(directory)
        self.zoo = Zoo(store, workers)
        self.builder = Builder(store, self.zoo, workers)
        self.timing = DeliveryTiming()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Campaigns]:
        keeper = ProfileKeeper(self.fleet, self.store.device_profiles, self.bus, 42769)
        packages = Packages(self.store, self.signer)
        fitting = DeviceFitting(self.fleet, keeper, self.signer, packages, model_object=42770)
        work = Work(
            CampaignRecords(self.store),
            self.zoo,
            Workshop(fitting, self.builder, packages, Courier(self.shelf), keeper),
            self.fleet,
            self.bus,
            objects=ModelObjects(42770, 42771),
            timing=self.timing,
        )
        campaigns = Campaigns(work, lambda selection, endpoint: selection == "all")
        await self.zoo.start()
        await campaigns.start()
        try:
            yield campaigns
        finally:
            await campaigns.stop()

    async def deploy(self, *endpoints: str) -> CampaignSnapshot:
        async with self.open() as campaigns:
            started = await campaigns.create(self.zoo.get("digits"), named(*endpoints))
            return await finished(campaigns, started.campaign.id)


def named(*endpoints: str) -> Selection:
    return Selection("by name", endpoints)


async def finished(campaigns: Campaigns, campaign_id: str) -> CampaignSnapshot:
    async with asyncio.timeout(20):
        while not (found := await campaigns.get(campaign_id)).campaign.finished:  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.002)
    return found


@pytest.fixture
async def house(store: Store, bus: Bus, shelf: Any, tmp_path: Path, quick: DeliveryTiming) -> AsyncIterator[House]:
    workers = WorkerPool(1)
    house = House(store, bus, shelf, Fleet(), workers, tmp_path / "data")
    house.timing = quick
    yield house
    await workers.stop()


@pytest.fixture
def join(house: House, new_device: Callable[..., Any]) -> Callable[..., Any]:
    """Add a device that verifies what it is sent with the key of the house."""

    def digest_of(package: bytes) -> bytes:
        return verify_package(
            package,
            trust_anchors=[house.signer.key.verification_key],
            vendor_id=b"v" * 16,
            class_id=b"c" * 16,
            storage_bytes=100_000,
            working_memory_bytes=32_768,
        ).digest

    def add(endpoint: str, **fields: Any) -> Any:
        device = new_device(endpoint=endpoint, digest_of=digest_of, block=1024, **fields)
        house.fleet.devices[endpoint] = device
        return device

    return add


async def test_a_model_reaches_a_device_and_the_row_tells_all_about_it(house: House, join: Callable[..., Any]) -> None:
    device = join("a")
    seen: list[DeviceState] = []

    async def note(event: CampaignChanged) -> None:
        if event.device is not None:
            seen.append(event.device.state)

    house.bus.subscribe(CampaignChanged, note)
    (row,) = (await house.deploy("a")).devices
    await house.bus.drain()
    assert (row.state, row.variant, row.target) == (DeviceState.ACTIVE, "digits-large", "cortex-m4f")
    assert row.module_bytes is not None
    assert row.ota_bytes == row.module_bytes > 40_000
    assert row.ram_bytes
    assert row.instructions
    assert row.ota_seconds
    assert device.slots[0].state == 3
    assert list(dict.fromkeys(seen)) == [
        DeviceState.FITTING,
        DeviceState.BUILDING,
        DeviceState.DELIVERING,
        DeviceState.TRIAL,
        DeviceState.ACTIVE,
    ]


async def test_devices_of_one_kind_share_build_and_package(
    house: House, join: Callable[..., Any], store: Store
) -> None:
    for endpoint in "abcde":
        join(endpoint)
    deployed = await house.deploy(*"abcde")
    assert {row.state for row in deployed.devices} == {DeviceState.ACTIVE}
    assert len({row.module_digest for row in deployed.devices}) == 1
    assert house.builder.compilations == 1
    assert await store.sequence_numbers.current("modules") == 1


async def test_each_campaign_signs_with_a_higher_sequence_number(house: House, join: Callable[..., Any]) -> None:
    join("a"), join("b")
    first, second = await house.deploy("a"), await house.deploy("b")
    assert first.devices[0].module_digest != second.devices[0].module_digest
    assert house.builder.compilations == 1


async def test_a_model_that_runs_already_is_not_sent_again(house: House, join: Callable[..., Any]) -> None:
    device = join("a")
    await house.deploy("a")
    device.writes.clear()
    assert (await house.deploy("a")).devices[0].state is DeviceState.ACTIVE
    assert not device.writes


async def test_a_device_that_nothing_fits_is_refused_with_figures(house: House, join: Callable[..., Any]) -> None:
    join("tiny", storage_free=1_000)
    (row,) = (await house.deploy("tiny")).devices
    assert row.state is DeviceState.REFUSED
    assert row.reason.endswith("B of module storage, 1,000 B free; smallest variant digits-small")
    assert row.reason.startswith("needs ")
    assert "at least" not in row.reason


async def test_a_small_device_gets_the_variant_that_fits(house: House, join: Callable[..., Any]) -> None:
    join("small", storage_free=12_000)
    (row,) = (await house.deploy("small")).devices
    assert (row.state, row.variant) == (DeviceState.ACTIVE, "digits-small")


async def test_a_device_without_runtime_is_refused(house: House, join: Callable[..., Any]) -> None:
    join("plain", ml=False)
    (row,) = (await house.deploy("plain")).devices
    assert (row.state, row.reason) == (DeviceState.REFUSED, "no ML runtime reported")


async def test_one_broken_device_does_not_hold_up_the_others(house: House, join: Callable[..., Any]) -> None:
    join("good")
    join("liar", lies=True)
    join("silent", off_for=1_000_000)
    join("cut", power_cut_at=5_000)
    rows = {row.endpoint: row for row in (await house.deploy("good", "liar", "silent", "cut")).devices}
    assert rows["good"].state is rows["cut"].state is DeviceState.ACTIVE
    assert rows["liar"].state is rows["silent"].state is DeviceState.FAILED
    assert "no block fetched for" in rows["liar"].reason
    assert "has not answered for" in rows["silent"].reason


async def test_a_module_that_fails_its_trial_is_reported_with_the_devices_reason(
    house: House, join: Callable[..., Any]
) -> None:
    join("a", module_result=13)
    (row,) = (await house.deploy("a")).devices
    assert (row.state, row.reason) == (DeviceState.FAILED, "self test mismatch (result 13)")


@pytest.mark.parametrize("state", [DeviceState.FITTING, DeviceState.DELIVERING, DeviceState.TRIAL])
async def test_a_campaign_goes_on_after_the_server_stopped(
    house: House, join: Callable[..., Any], state: DeviceState
) -> None:
    join("a")
    stopped = asyncio.Event()

    async def note(event: CampaignChanged) -> None:
        if event.device is not None and event.device.state is state:
            stopped.set()

    subscription = house.bus.subscribe(CampaignChanged, note)
    async with house.open() as campaigns:
        started = await campaigns.create(house.zoo.get("digits"), named("a"))
        async with asyncio.timeout(10):
            await stopped.wait()
    subscription.cancel()
    async with house.open() as campaigns:
        (row,) = (await finished(campaigns, started.campaign.id)).devices
    assert row.state is DeviceState.ACTIVE
    assert row.module_bytes


async def test_a_finished_campaign_is_found_in_the_store(house: House, join: Callable[..., Any]) -> None:
    join("a")
    deployed = await house.deploy("a")
    async with house.open() as campaigns:
        assert await campaigns.get(deployed.campaign.id) == deployed
        assert [one.campaign for one in await campaigns.all()] == [deployed.campaign]
        with pytest.raises(NotFoundError):
            await campaigns.get("unknown")


async def test_a_device_takes_part_in_one_campaign_at_a_time(house: House, join: Callable[..., Any]) -> None:
    device = join("a")
    async with house.open() as campaigns:
        both = [await campaigns.create(house.zoo.get("digits"), named("a")) for _ in range(2)]
        ends = [(await finished(campaigns, one.campaign.id)).devices[0] for one in both]
    assert [row.state for row in ends] == [DeviceState.ACTIVE, DeviceState.ACTIVE]
    assert len(device.writes) == 1


async def test_a_model_that_was_removed_fails_its_campaign(
    house: House, join: Callable[..., Any], store: Store
) -> None:
    join("a")
    now = time.time()
    gone = Campaign("gone", "cats", "1", Plan.at_once(), since=now, created_at=now)
    await CampaignRecords(store).create(gone, [CampaignDevice("a", since=now)])
    async with house.open() as campaigns:
        (row,) = (await finished(campaigns, "gone")).devices
    assert (row.state, row.reason) == (DeviceState.FAILED, "There is no model cats 1")


async def test_a_device_that_forbids_to_read_its_capabilities_fails_at_once(
    house: House, join: Callable[..., Any]
) -> None:
    join("closed", locked=frozenset({42769}))
    (row,) = (await house.deploy("closed")).devices
    assert row.state is DeviceState.FAILED
    assert "4.01" in row.reason
