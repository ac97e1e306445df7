from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.streaming import StreamingVerifier
from lwm2m_ml_simulator.device.profile import DeviceProfile
from lwm2m_ml_simulator.memory.flash import Flash, FlashGeometry, FlashRegion
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.reception import Reception
from lwm2m_ml_simulator.modules.staging import Source, Staging
from lwm2m_ml_simulator.modules.unpacking import IMAGE_ALIGNMENT

MakeReception = Callable[[], Reception]
BLOCK = 256


@pytest.fixture
def flash() -> Flash:
    return Flash(FlashGeometry(16384, 1024, 8))


@pytest.fixture
def mount(flash: Flash, modules: Any, profile: DeviceProfile) -> MakeReception:
    recipient = Recipient(
        trust_anchors=(modules.key.verification_key,),
        vendor_id=profile.vendor_id,
        class_id=profile.class_id,
        storage_bytes=8192,
        working_memory_bytes=8192,
    )

    def make() -> Reception:
        journal, region = Journal(FlashRegion(flash, 0, 4096)), FlashRegion(flash, 4096, 12288)
        return Reception(Staging(journal, 0, region), lambda: StreamingVerifier(recipient, early=True))

    return make


def feed(reception: Reception, package: bytes, end: int | None = None) -> None:
    for start in range(reception.received, len(package) if end is None else end, BLOCK):
        reception.append(package[start : start + BLOCK])


def feed_until_refused(reception: Reception, package: bytes) -> None:
    for _ in range(40):
        reception.append(package[reception.received :][:BLOCK])


@pytest.mark.parametrize("name_bytes", range(0, 16, 3))
def test_the_image_begins_at_an_aligned_address_whatever_comes_before_it(
    mount: MakeReception, modules: Any, profile: DeviceProfile, name_bytes: int
) -> None:
    package = modules.package(profile, 1, model_name="m" * (name_bytes + 1))
    reception = mount()
    reception.begin(Source("coap://x"))
    feed(reception, package)
    verified = reception.finish()
    source = reception.staging.source
    assert source is not None
    address = source.start + verified.payload_offset
    assert address % IMAGE_ALIGNMENT == 0
    image = reception.staging.region.read(address, verified.payload_size)
    assert image == package[verified.payload_offset :]


def test_what_was_received_before_a_reboot_is_verified_again(
    mount: MakeReception, flash: Flash, modules: Any, profile: DeviceProfile
) -> None:
    package = modules.package(profile, 1)
    first = mount()
    first.begin(Source("coap://x"))
    feed(first, package, 1024)
    second = mount()
    assert 512 < second.received <= 1024
    feed(second, package)
    assert second.finish().sequence_number == 1


def test_a_bit_that_rotted_during_the_reboot_is_found(
    mount: MakeReception, flash: Flash, modules: Any, profile: DeviceProfile
) -> None:
    package = modules.package(profile, 1)
    first = mount()
    first.begin(Source("coap://x"))
    feed(first, package, 1024)
    flash.flip_bit(4096 + 900, 2)
    second = mount()
    feed(second, package)
    with pytest.raises(ModuleRejected) as rejection:
        second.finish()
    assert rejection.value.result is ModuleResult.DIGEST_MISMATCH


def test_nothing_is_written_before_the_manifest_is_found_good(
    mount: MakeReception, flash: Flash, modules: Any, profile: DeviceProfile
) -> None:
    package = bytearray(modules.package(profile, 1))
    package[60] ^= 1
    reception = mount()
    reception.begin(Source("coap://x"))
    with pytest.raises(ModuleRejected):
        feed(reception, bytes(package))
    assert reception.staging.region.is_erased(0, 12288)


def test_a_head_that_never_ends_is_refused(mount: MakeReception, modules: Any, profile: DeviceProfile) -> None:
    package = modules.package(profile, 1, labels=tuple("label" * 20 for _ in range(100)))
    reception = mount()
    reception.begin(Source("coap://x"))
    with pytest.raises(ModuleRejected) as rejection:
        feed(reception, package)
    assert rejection.value.result is ModuleResult.WORKING_MEMORY_TOO_SMALL


def test_a_damaged_block_is_dropped_and_taken_when_it_comes_again(
    mount: MakeReception, modules: Any, profile: DeviceProfile
) -> None:
    package = modules.package(profile, 1, build={"block_bytes": 512})
    damaged = bytearray(package)
    damaged[1500] ^= 1
    reception = mount()
    reception.begin(Source("coap://x"))
    # The bit is in a piece that does not end its block: it shows with the piece that does.
    feed(reception, bytes(damaged), 1500)
    while reception.received > 1500:
        reception.append(bytes(damaged[reception.received :][:BLOCK]))
    assert 1500 - 512 <= reception.received <= 1500
    feed(reception, package)
    assert reception.finish().sequence_number == 1
    assert reception.staging.contents() == package


def test_a_block_that_is_bad_each_time_is_refused_before_the_package_ends(
    mount: MakeReception, modules: Any, profile: DeviceProfile
) -> None:
    damaged = bytearray(modules.package(profile, 1, build={"block_bytes": 512}))
    damaged[1000] ^= 1
    reception = mount()
    reception.begin(Source("coap://x"))
    with pytest.raises(ModuleRejected) as rejection:
        feed_until_refused(reception, bytes(damaged))
    assert rejection.value.result is ModuleResult.DIGEST_MISMATCH
    assert reception.received < 1000


@pytest.mark.parametrize("end", range(700, 1700, 100))
def test_a_reboot_within_a_block_costs_no_more_than_the_block(
    mount: MakeReception, modules: Any, profile: DeviceProfile, end: int
) -> None:
    package = modules.package(profile, 1, build={"block_bytes": 512})
    first = mount()
    first.begin(Source("coap://x"))
    feed(first, package, end)
    second = mount()
    assert first.received - 512 - 8 <= second.received <= first.received
    feed(second, package)
    assert second.finish().sequence_number == 1
    assert second.staging.contents() == package
