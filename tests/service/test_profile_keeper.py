"""Profiles: read at registration, kept in the store, following free storage."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.server.events import DeviceRegistered, Notified
from lwm2m_ml.service.device_types import DeviceType, DeviceTypes
from lwm2m_ml.service.profile_keeper import ProfileKeeper
from lwm2m_ml.store import Store


@pytest.fixture
def device(new_device: Callable[..., Any]) -> Any:
    return new_device()


@pytest.fixture
async def keeper(device: Any, store: Store, bus: Bus) -> AsyncIterator[ProfileKeeper]:
    keeper = ProfileKeeper(device, store.device_profiles, bus, 42769)
    await keeper.start()
    yield keeper
    await keeper.stop()


async def known(keeper: ProfileKeeper, endpoint: str) -> None:
    async with asyncio.timeout(5):
        while keeper.get(endpoint) is None:  # noqa: ASYNC110 - read in a task of the keeper's own
            await asyncio.sleep(0.001)


async def test_a_registration_makes_the_device_known(keeper: ProfileKeeper, bus: Bus) -> None:
    bus.publish(DeviceRegistered("device", reregistered=False))
    await known(keeper, "device")
    profile = await keeper.profile("device")
    assert profile.identity.manufacturer == "ACME"
    assert profile.runtime is not None


async def test_a_profile_is_known_after_a_restart(keeper: ProfileKeeper, device: Any, store: Store, bus: Bus) -> None:
    profile = await keeper.refresh("device")
    again = ProfileKeeper(device, store.device_profiles, bus, 42769)
    await again.start()
    assert again.get("device") == profile
    await again.stop()


async def test_a_device_without_ml_is_known_as_such(keeper: ProfileKeeper, device: Any) -> None:
    device.ml = False
    assert (await keeper.refresh("device")).why_no_runtime == "no ML runtime reported"


async def test_a_device_that_is_not_registered_is_not_taken_for_one_without_ml(
    keeper: ProfileKeeper, device: Any
) -> None:
    known_before = await keeper.refresh("device")
    device.absent = True
    with pytest.raises(UnknownDevice):
        await keeper.refresh("device")
    assert await keeper.profile("device") == known_before


async def test_a_device_of_a_type_is_not_asked_for_what_it_does_not_have(
    device: Any, store: Store, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed: list[str] = []

    async def observe(endpoint: str, path: ObjectPath, *, lasting: bool = False) -> None:
        observed.append(str(path))

    monkeypatch.setattr(device, "observe", observe)
    types = DeviceTypes(store.device_types)
    await types.add(DeviceType("board", "cortex-m7", 65_536, 32_768, manufacturer="ACME"))
    keeper = ProfileKeeper(device, store.device_profiles, bus, 42769, types=types)
    await keeper.start()
    for ml, expected in ((False, []), (True, ["/42769/0/5", "/42769/0/7"])):
        device.ml = ml
        bus.publish(DeviceRegistered("device", reregistered=False))
        await bus.drain()
        while "device" in keeper._visits:  # noqa: ASYNC110 - turns of the loop are what it waits for
            await asyncio.sleep(0)
        profile = keeper.get("device")
        assert profile is not None
        assert profile.device_type == ("" if ml else "board")
        assert observed == expected
    await keeper.stop()


async def test_free_storage_follows_notifications(keeper: ProfileKeeper, bus: Bus) -> None:
    await keeper.refresh("device")
    path = ObjectPath(42769, 0, 7)
    bus.publish(Notified("device", path, (Record(path, 1234),), 0.0))
    await bus.drain()
    profile = keeper.get("device")
    assert profile is not None
    assert profile.runtime is not None
    assert profile.runtime.storage_free == 1234


async def test_a_silent_device_is_no_harm(keeper: ProfileKeeper, device: Any, bus: Bus) -> None:
    device.off_for = 1_000_000
    bus.publish(DeviceRegistered("device", reregistered=False))
    await bus.drain()
    assert keeper.get("device") is None
    with pytest.raises(NotFoundError, match="The capabilities of device are not known"):
        await keeper.profile("device")


async def test_a_stored_profile_of_an_older_shape_is_passed_over(device: Any, store: Store, bus: Bus) -> None:
    await store.device_profiles.put("old", {"shape": "unknown"})
    keeper = ProfileKeeper(device, store.device_profiles, bus, 42769)
    await keeper.start()
    assert keeper.get("old") is None
    await keeper.stop()


async def test_a_device_that_does_not_tell_who_it_is_can_still_take_models(keeper: ProfileKeeper, device: Any) -> None:
    device.locked = frozenset({3})
    profile = await keeper.refresh("device")
    assert profile.identity.manufacturer == ""
    assert profile.runtime is not None


async def test_a_registration_in_the_middle_of_the_reading_does_not_end_it(keeper: ProfileKeeper, device: Any) -> None:
    device.interrupts = 1
    assert (await keeper.refresh("device")).runtime is not None
