"""The service around campaigns: real modules, a real store, and devices in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.bus import Bus, SoleOwner
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.module.package import verify_package
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.service.builds import Builder
from lwm2m_ml.service.campaigns.campaign import CampaignSnapshot
from lwm2m_ml.service.campaigns.campaigns import Campaigns
from lwm2m_ml.service.campaigns.device_run import Workshop
from lwm2m_ml.service.campaigns.records import CampaignRecords
from lwm2m_ml.service.campaigns.reported import ModelObjects
from lwm2m_ml.service.campaigns.states import CampaignState
from lwm2m_ml.service.campaigns.work import Work
from lwm2m_ml.service.delivery.courier import Courier
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.service.fitting import DeviceFitting
from lwm2m_ml.service.groups.selections import Selection
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
        campaigns = Campaigns(work, lambda selection, endpoint: selection == "all", SoleOwner())
        await self.zoo.start()
        await campaigns.start()
        try:
            yield campaigns
        finally:
            await campaigns.stop()

    async def deploy(self, *endpoints: str) -> CampaignSnapshot:
        async with self.open() as campaigns:
            started = await campaigns.create(self.zoo.get("digits"), self.named(*endpoints))
            return await self.finished(campaigns, started.campaign.id)

    @staticmethod
    def named(*endpoints: str) -> Selection:
        return Selection("by name", endpoints)

    @staticmethod
    async def finished(campaigns: Campaigns, campaign_id: str) -> CampaignSnapshot:
        async with asyncio.timeout(20):
            while not (found := await campaigns.get(campaign_id)).campaign.finished:  # noqa: ASYNC110 - as clients do
                await asyncio.sleep(0.002)
        return found

    @staticmethod
    async def until(campaigns: Campaigns, campaign_id: str, state: CampaignState) -> CampaignSnapshot:
        async with asyncio.timeout(20):
            while (found := await campaigns.get(campaign_id)).campaign.state is not state:  # noqa: ASYNC110 - as clients do
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
