"""Devices that exist in memory only, the store and bus of a service, and the patience of who delivers to them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.service.delivery.session import Session
from lwm2m_ml.service.delivery.signals import DeviceSignals
from lwm2m_ml.service.delivery.timing import DeliveryTiming
from lwm2m_ml.store import Store
from tests.service.fake_device import FakeDevice
from tests.service.fake_loader import MODEL
from tests.service.fake_shelf import FakeShelf


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus()
    yield bus
    await bus.close()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all its tables: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "empty.sqlite3"

    async def make() -> None:
        await (await Store.open(f"sqlite+aiosqlite:///{path}")).close()

    asyncio.run(make())
    return path


@pytest.fixture
async def store(tmp_path: Path, empty_database: Path) -> AsyncIterator[Store]:
    path = shutil.copy(empty_database, tmp_path / "test.sqlite3")
    store = await Store.open(f"sqlite+aiosqlite:///{path}")
    yield store
    await store.close()


@pytest.fixture
def shelf() -> FakeShelf:
    return FakeShelf()


@pytest.fixture
def new_device(shelf: FakeShelf, bus: Bus) -> Callable[..., FakeDevice]:
    """Make a device; keyword arguments are its fields."""
    return lambda **fields: FakeDevice(shelf, bus, **fields)


@pytest.fixture
def quick() -> DeliveryTiming:
    """The patience of a device that does everything at once."""
    return DeliveryTiming(
        poll=0.001,
        quick_poll=0.001,
        first_block=0.05,
        next_block=0.05,
        device_work=0.05,
        silence=0.2,
        attempts=3,
        trial=0.2,
        evidence=0.01,
    )


@pytest.fixture
async def session_of(bus: Bus, quick: DeliveryTiming) -> AsyncIterator[Callable[[FakeDevice], Session]]:
    """Make the session of a device, watched as long as the test runs."""
    signals = DeviceSignals(bus)
    signals.start()
    watches = []

    def make(device: FakeDevice) -> Session:
        watching = signals.watch(device.endpoint)
        watches.append(watching)
        return Session(device.endpoint, device, watching.__enter__(), MODEL, quick)

    yield make
    for watching in watches:
        watching.__exit__(None, None, None)
    signals.stop()
