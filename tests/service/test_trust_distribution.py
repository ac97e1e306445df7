"""The trust list on its way to devices: who needs it, who gets it, and who will not take it."""

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.module.key_folder import open_key_store
from lwm2m_ml.module.key_index import Purpose
from lwm2m_ml.module.key_store import KeyStore
from lwm2m_ml.module.trust_list import TrustList
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service import trust_distribution
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.service.trust_distribution import TrustDistribution
from tests.service.fake_device import capability_records


class Access:
    """The way to devices that verify the list with the root key, or refuse it."""

    def __init__(self) -> None:
        self.written: list[tuple[str, ObjectPath, Value]] = []
        self.refuses = False

    async def write(self, endpoint: str, path: ObjectPath, value: Value) -> None:
        self.written.append((endpoint, path, value))
        if self.refuses:
            raise DeviceError(endpoint, "Write", 0x80)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    store = open_key_store(tmp_path)
    for purpose in (Purpose.ROOT, Purpose.MODULES):
        store.new(purpose)
    store.publish_trust_list()
    return store


@pytest.fixture
def access() -> Access:
    return Access()


@pytest.fixture
def distribution(keys: KeyStore, access: Access) -> TrustDistribution:
    return TrustDistribution(access, keys, 42769)  # type: ignore[arg-type]


@pytest.fixture
def runtime(new_device: Callable[..., Any], keys: KeyStore) -> MlRuntime:
    """A device that was made with the present key, and has no list."""
    found = profile_from_records("device", (), capability_records(new_device())).runtime
    assert found is not None
    anchor = bytes.fromhex(keys.active().key_id)
    return dataclasses.replace(found, trust_list_version=0, trust_anchors=(anchor,))


async def test_a_device_that_trusts_the_right_keys_needs_no_list(
    distribution: TrustDistribution, runtime: MlRuntime, access: Access
) -> None:
    assert not await distribution.bring_up_to_date("device", runtime)
    assert not access.written


@pytest.mark.parametrize("told", [None, 2, 9])
async def test_nor_does_one_that_has_it_or_cannot_take_any(
    distribution: TrustDistribution, runtime: MlRuntime, keys: KeyStore, told: int | None
) -> None:
    keys.rotate()
    keys.publish_trust_list()
    assert not await distribution.bring_up_to_date("device", dataclasses.replace(runtime, trust_list_version=told))


async def test_after_a_rotation_devices_get_a_list_that_the_root_signed(
    distribution: TrustDistribution, runtime: MlRuntime, access: Access, keys: KeyStore
) -> None:
    rotated = keys.rotate()
    keys.publish_trust_list()
    assert await distribution.bring_up_to_date("device", runtime)
    ((endpoint, path, document),) = access.written
    assert (endpoint, str(path)) == ("device", "/42769/0/36")
    assert isinstance(document, bytes)
    root = keys.verification_key(keys.active(Purpose.ROOT))
    trusted = TrustList.verify(document, [root], None)
    assert bytes.fromhex(rotated.key_id) in {entry.key.key_id for entry in trusted.keys}


async def test_who_refuses_a_list_is_asked_again_only_for_another_one(
    distribution: TrustDistribution, runtime: MlRuntime, access: Access, keys: KeyStore
) -> None:
    access.refuses = True
    keys.rotate()
    keys.publish_trust_list()
    for _ in range(3):
        assert not await distribution.bring_up_to_date("device", runtime)
    assert len(access.written) == 1
    access.refuses = False
    keys.publish_trust_list()
    assert await distribution.bring_up_to_date("device", runtime)


async def test_a_list_that_cannot_be_read_changes_nothing(
    distribution: TrustDistribution, runtime: MlRuntime, keys: KeyStore, access: Access
) -> None:
    keys.keep_trust_list(b"not a list")
    assert not await distribution.bring_up_to_date("device", runtime)
    assert not access.written


async def test_all_devices_are_read_anew_when_a_list_is_published(
    distribution: TrustDistribution, keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_distribution, "LOOK_SECONDS", 0.01)
    seen: list[str] = []
    both = asyncio.Event()

    async def refresh(endpoint: str) -> None:
        seen.append(endpoint)
        if len(seen) == 2:
            both.set()

    distribution.start(refresh, lambda: ["a", "b"])
    keys.rotate()
    keys.publish_trust_list()
    await asyncio.wait_for(both.wait(), 5)
    await distribution.stop()
    assert seen == ["a", "b"]
