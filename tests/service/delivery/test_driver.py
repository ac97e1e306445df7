"""Deliveries to a device that does what it should, and to devices that do not."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.server.errors import DeviceError
from lwm2m_ml.service.delivery.driver import Delivery
from lwm2m_ml.service.delivery.outcome import Outcome, Progress
from lwm2m_ml.service.delivery.slots import choose_slot, read_slots
from lwm2m_ml.service.delivery.ways import ROADS
from tests.service.fake_loader import FakeSlot

METHOD_NOT_ALLOWED = 0x85
PACKAGE = bytes(range(256)) * 4
DIGEST = hashlib.sha256(PACKAGE).digest()
Deliver = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def progress() -> list[Progress]:
    return []


@pytest.fixture
def deliver(shelf: Any, session_of: Callable[[Any], Any], progress: list[Progress]) -> Deliver:
    async def run(device: Any, *, package: bytes = PACKAGE, offered_before: bool = False) -> Outcome:
        session = session_of(device)

        async def note(step: Progress) -> None:
            progress.append(step)

        slot = choose_slot(await read_slots(device, device.endpoint, 42770), DIGEST)
        road = ROADS[slot.delivery_object](slot, DIGEST)
        delivery = Delivery(session, shelf, road, package, on_progress=note, offered_before=offered_before)
        return await delivery.run()

    return run


@pytest.fixture(params=[9, 5, 513], ids=["object 9", "object 5", "object 513"])
def device(request: pytest.FixtureRequest, new_device: Callable[..., Any]) -> Any:
    return new_device(slots=[FakeSlot(0, road=request.param)])


async def test_a_good_device_ends_with_the_module_on_trial(deliver: Deliver, device: Any, progress: Any) -> None:
    assert await deliver(device) == Outcome(True)
    assert (device.slots[0].state, device.slots[0].digest) == (2, DIGEST)
    assert progress[-1].ota_bytes == len(PACKAGE)
    assert progress[-1].ota_seconds > 0


async def test_the_package_is_withdrawn_afterwards(deliver: Deliver, device: Any, shelf: Any) -> None:
    await deliver(device)
    assert not shelf.offers


async def test_a_power_cut_in_the_transfer_costs_nothing_that_had_arrived(
    deliver: Deliver, device: Any, progress: Any
) -> None:
    device.power_cut_at = 300
    assert await deliver(device) == Outcome(True)
    assert progress[-1].ota_bytes == len(PACKAGE)
    assert len(device.writes) == 1


async def test_a_device_that_forgot_everything_gets_the_same_uri_again(deliver: Deliver, device: Any) -> None:
    device.power_cut_at, device.forgetful = 300, True
    assert await deliver(device) == Outcome(True)
    assert len({uri for _, uri in device.writes}) == 1


async def test_lost_answers_are_resolved_by_reading_the_state(deliver: Deliver, device: Any) -> None:
    device.lost_answers = 3
    assert await deliver(device) == Outcome(True)
    assert len(device.executed) == len(set(device.executed))


async def test_a_module_that_is_there_already_is_not_sent_again(deliver: Deliver, device: Any) -> None:
    await deliver(device)
    device.writes.clear()
    assert await deliver(device) == Outcome(True)
    assert not device.writes


async def test_a_silent_device_is_told_from_a_slow_one(deliver: Deliver, device: Any) -> None:
    device.off_for = 1_000_000
    with pytest.raises(Exception, match="does not answer"):
        await deliver(device)


async def test_a_device_that_falls_silent_is_given_up_with_a_diagnosis(deliver: Deliver, device: Any) -> None:
    device.power_cut_at = 300
    device.power_cut = lambda: setattr(device, "off_for", 1_000_000)
    outcome = await deliver(device)
    assert not outcome.delivered
    assert outcome.reason.startswith("the device has not answered for")


async def test_a_device_that_never_fetches_is_diagnosed(deliver: Deliver, device: Any) -> None:
    device.lies = True
    outcome = await deliver(device)
    assert "no block fetched for" in outcome.reason
    assert "after Package URI was written; device last seen" in outcome.reason
    assert len(device.writes) == 3


@pytest.mark.parametrize(("road", "refusal"), [(9, 53), (5, 5), (513, 0)])
async def test_a_refused_package_names_the_result_of_ml_model(
    deliver: Deliver, new_device: Any, road: int, refusal: int
) -> None:
    device = new_device(slots=[FakeSlot(0, road=road)], rejects=refusal, module_result=2)
    outcome = await deliver(device)
    assert outcome == Outcome(False, "signature invalid (result 2)")


async def test_without_ml_model_the_delivery_object_tells_why(deliver: Deliver, new_device: Any) -> None:
    outcome = await deliver(new_device(ml=False, rejects=50))
    assert outcome.reason == "not enough storage for the package (Software Management result 50)"


@pytest.mark.parametrize("road", [9, 5])
async def test_a_device_without_ml_model_is_trusted_by_its_delivery_object(
    deliver: Deliver, new_device: Any, road: int
) -> None:
    device = new_device(slots=[FakeSlot(0, road=road)], ml=False)
    assert await deliver(device) == Outcome(True)


@pytest.mark.parametrize("moved", [True, False])
async def test_a_refusal_counts_only_where_the_device_has_not_moved_on_meanwhile(
    deliver: Deliver, new_device: Any, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeated offer finds the device downloading already; another one refuses and does nothing."""
    device = new_device()
    write = device.write

    async def refusing(endpoint: str, path: ObjectPath, value: Value) -> None:
        if moved:
            await write(endpoint, path, value)
        raise DeviceError(endpoint, "Write", METHOD_NOT_ALLOWED)

    monkeypatch.setattr(device, "write", refusing)
    outcome = await deliver(device)
    assert outcome.delivered is moved
    assert ("refused to offer the module" in outcome.reason) is not moved


@pytest.mark.parametrize("slow", [True, False])
async def test_a_device_that_downloads_and_takes_nothing_else_meanwhile_is_waited_for(
    deliver: Deliver, new_device: Any, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device(lazy=True)
    write, refusals = device.write, 0

    async def refusing(endpoint: str, path: ObjectPath, value: Value) -> None:
        nonlocal refusals
        if device.slots[0].delivery_state == 1:
            refusals += 1
            device.lazy = not slow
            raise DeviceError(endpoint, "Write", METHOD_NOT_ALLOWED)
        await write(endpoint, path, value)

    monkeypatch.setattr(device, "write", refusing)
    outcome = await deliver(device)
    if slow:
        assert outcome == Outcome(True)
        assert refusals == 1
    else:
        assert "no block fetched for" in outcome.reason
        assert outcome.transfer_failed


async def test_an_occupied_slot_is_cleared_first(deliver: Deliver, new_device: Any) -> None:
    old = FakeSlot(0, delivery_state=4, active=False, state=4, digest=b"o" * 32)
    device = new_device(slots=[old])
    assert await deliver(device) == Outcome(True)
    assert device.executed[0] == "/9/0/6"


async def test_a_leftover_failure_of_an_earlier_package_is_not_taken_for_this_one(
    deliver: Deliver, device: Any
) -> None:
    slot = device.slots[0]
    slot.delivery_result, slot.state, slot.result = 53 if slot.road == 9 else 5, 5, 2
    assert await deliver(device) == Outcome(True)


async def test_a_delivery_goes_on_where_a_stopped_server_left_it(deliver: Deliver, device: Any, shelf: Any) -> None:
    slot = device.slots[0]
    slot.state, slot.digest, slot.delivery_state = 1, DIGEST, 3 if slot.road == 9 else 2
    assert await deliver(device, offered_before=True) == Outcome(True)
    assert shelf.published == 0


async def test_an_address_of_an_earlier_run_that_is_gone_while_the_device_fetches_is_offered_anew(
    deliver: Deliver, new_device: Any
) -> None:
    for road in (9, 5):
        device = new_device(slots=[FakeSlot(0, road=road, delivery_state=1, uri="coap://server/packages/gone")])
        assert await deliver(device, offered_before=True) == Outcome(True)
        assert len(device.writes) == 1
