"""Base firmware: what it may be, what it leaves of a device, and the image that a module is built into."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_ml.errors import InvalidInputError, NotFoundError
from lwm2m_ml.service.base_images import BaseImage, BaseImages
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.store import Store
from tests.service.fake_device import capability_records

KIND = {"vendor_id": b"v" * 16, "class_id": b"c" * 16}
FACTS: dict[str, Any] = {**KIND, "name": "app", "version": "1.2", "rtos": "zephyr 4.1"}


@pytest.fixture
def images(store: Store) -> BaseImages:
    return BaseImages(store.base_images, store.artefacts)


@pytest.fixture
def runtime(new_device: Callable[..., Any]) -> MlRuntime:
    found = profile_from_records("device", (), capability_records(new_device())).runtime
    assert found is not None
    return dataclasses.replace(found, formats=(3,))


async def test_a_module_begins_at_the_slot_address_of_the_image(images: BaseImages, runtime: MlRuntime) -> None:
    base = await images.add(b"firmware", slot_address=32, **FACTS)
    assert images.of(runtime) == base
    assert await images.whole(base, b"module") == b"firmware".ljust(32, b"\xff") + b"module"


async def test_what_the_firmware_takes_is_not_the_modules(images: BaseImages, runtime: MlRuntime) -> None:
    assert images.room_for_module(runtime) is runtime
    await images.add(b"firmware", slot_address=1024, **FACTS)
    seen = images.room_for_module(runtime)
    assert seen.maximum_module_size == runtime.maximum_module_size - 1024
    assert 2 in seen.formats


async def test_devices_that_take_modules_need_no_firmware(images: BaseImages, runtime: MlRuntime) -> None:
    await images.add(b"firmware", slot_address=32, **FACTS)
    assert images.of(dataclasses.replace(runtime, formats=(2, 3))) is None
    assert images.of(dataclasses.replace(runtime, formats=(2,))) is None
    assert images.of(dataclasses.replace(runtime, class_id=b"x" * 16)) is None


async def test_it_survives_a_restart_and_is_replaced_and_removed(images: BaseImages, store: Store) -> None:
    await images.add(b"old", slot_address=32, **FACTS)
    base = await images.add(b"new", slot_address=16, **FACTS)
    again = BaseImages(store.base_images, store.artefacts)
    await again.start()
    assert again.all() == (base,)
    await again.remove(**KIND)
    with pytest.raises(NotFoundError):
        await again.remove(**KIND)
    assert await store.base_images.all() == ()


@pytest.mark.parametrize(
    ("content", "address", "told"),
    [(b"", 16, "has 1 to"), (b"x" * 17, 16, "ends at 0x11"), (b"x", 17, "not a multiple"), (b"x", 1 << 30, "begin")],
)
async def test_what_cannot_be_base_firmware_is_refused(
    images: BaseImages, content: bytes, address: int, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        await images.add(content, slot_address=address, **FACTS)
    assert images.all() == ()


async def test_a_base_that_is_gone_is_said(images: BaseImages) -> None:
    base = BaseImage(**FACTS, slot_address=32, digest="0" * 64, created_at=0.0)
    with pytest.raises(NotFoundError, match=r"app 1\.2"):
        await images.whole(base, b"module")
