"""Ways to a device: the best is taken, the next one where bytes do not arrive, and what worked is remembered."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lwm2m_ml.service.delivery.courier import Carried, Courier
from lwm2m_ml.service.delivery.experience import Experiences
from lwm2m_ml.service.delivery.outcome import Outcome, Progress
from lwm2m_ml.service.delivery.slots import NoSlotError, read_slots
from lwm2m_ml.service.delivery.ways import possible_ways
from lwm2m_ml.store import Store
from tests.service.fake_loader import FakeSlot

PACKAGE = bytes(range(256)) * 4
DIGEST = hashlib.sha256(PACKAGE).digest()
METHOD_NOT_ALLOWED, INCOMPLETE = 0x85, 0x88
Carry = Callable[..., Awaitable[Carried]]


@pytest.fixture
async def experiences(store: Store) -> Experiences:
    return Experiences(store.delivery_experience, lambda endpoint: "ACME board")


@pytest.fixture
def progress() -> list[Progress]:
    return []


@pytest.fixture
def carry(shelf: Any, session_of: Callable[[Any], Any], experiences: Experiences, progress: list[Progress]) -> Carry:
    async def run(device: Any, *, http: bool = False, offered_before: bool = False) -> Carried:
        session = session_of(device)

        async def note(step: Progress) -> None:
            progress.append(step)

        return await Courier(shelf, experiences, http=http).carry(
            session,
            await read_slots(device, device.endpoint, 42770),
            PACKAGE,
            DIGEST,
            on_progress=note,
            offered_before=offered_before,
        )

    return run


@pytest.fixture(params=[9, 5, 513], ids=["object 9", "object 5", "object 513"])
def device(request: pytest.FixtureRequest, new_device: Callable[..., Any]) -> Any:
    return new_device(slots=[FakeSlot(0, road=request.param)])


async def test_pulling_goes_first(carry: Carry, device: Any) -> None:
    assert (await carry(device)).outcome == Outcome(True)
    assert len(device.writes) == 1
    assert not device.pushes


async def test_a_device_that_does_not_fetch_is_pushed_to(carry: Carry, device: Any, progress: list[Progress]) -> None:
    device.schemes = ()
    carried = await carry(device)
    assert carried.outcome == Outcome(True)
    assert (device.slots[0].state, device.slots[0].digest) == (2, DIGEST)
    assert len(device.pushes) == 1
    assert progress[-1].ota_bytes == len(PACKAGE)


async def test_what_worked_on_one_device_goes_first_on_the_next_of_its_kind(
    carry: Carry, device: Any, new_device: Callable[..., Any]
) -> None:
    device.schemes = ()
    await carry(device)
    second = new_device(slots=[FakeSlot(0, road=device.slots[0].road)], schemes=())
    assert (await carry(second)).outcome.delivered
    assert not second.writes


async def test_what_is_known_survives_a_restart(carry: Carry, device: Any, store: Store) -> None:
    device.schemes = ()
    await carry(device)
    again = Experiences(store.delivery_experience, lambda endpoint: "ACME board")
    await again.start()
    records = {record.way: (record.arrived, record.failed) for record in await store.delivery_experience.all()}
    road = device.slots[0].road
    assert records == {f"{road} pull": (0, 1), f"{road} push": (1, 0)}


async def test_a_push_uses_the_blocks_that_devices_of_the_kind_ask_for(
    carry: Carry, device: Any, new_device: Callable[..., Any]
) -> None:
    device.block = 128
    await carry(device)
    await carry(new_device(slots=[FakeSlot(0, road=device.slots[0].road)], schemes=()))
    second = new_device(slots=[FakeSlot(0, road=device.slots[0].road)], schemes=())
    await carry(second)
    assert second.pushes == [128]


async def test_http_is_offered_where_it_is_served(carry: Carry, device: Any) -> None:
    device.schemes, device.push_fails = ("http",), METHOD_NOT_ALLOWED
    assert not (await carry(device)).outcome.delivered
    assert (await carry(device, http=True)).outcome == Outcome(True)
    assert str(device.writes[-1][1]).startswith("http://")


async def test_every_way_is_named_when_none_works(carry: Carry, device: Any) -> None:
    device.schemes, device.push_fails = (), INCOMPLETE
    outcome = (await carry(device)).outcome
    assert outcome.transfer_failed
    assert ", pull: " in outcome.reason
    assert ", push: the device refused to offer the module" in outcome.reason


async def test_a_package_that_is_refused_is_not_sent_by_another_way(
    carry: Carry, new_device: Callable[..., Any], store: Store
) -> None:
    device = new_device(slots=[FakeSlot(0)], rejects=53, module_result=2)
    assert (await carry(device)).outcome == Outcome(False, "signature invalid (result 2)")
    assert not device.pushes
    (record,) = await store.delivery_experience.all()
    assert (record.arrived, record.failed) == (1, 0)


async def test_a_power_cut_in_a_push_costs_a_second_push(carry: Carry, device: Any) -> None:
    device.schemes, device.power_cut_at = (), 300
    assert (await carry(device)).outcome == Outcome(True)
    assert len(device.pushes) == 2


async def test_a_push_that_a_stopped_server_began_is_begun_again(carry: Carry, device: Any) -> None:
    device.schemes = ()
    device.slots[0].delivery_state, device.slots[0].received = 1, PACKAGE[:100]
    assert (await carry(device, offered_before=True)).outcome == Outcome(True)


async def test_another_object_is_tried_where_one_cannot_move_bytes(
    carry: Carry, new_device: Callable[..., Any]
) -> None:
    device = new_device(slots=[FakeSlot(0, road=9), FakeSlot(1, road=5)], push_fails=INCOMPLETE, broken_roads={9})
    carried = await carry(device)
    assert carried.outcome == Outcome(True)
    assert carried.slot.delivery_object == 5


@pytest.mark.parametrize(
    ("method", "protocols", "http", "expected"),
    [
        (None, None, True, ["pull", "push", "pull over HTTP"]),
        (0, (0,), False, ["pull"]),
        (1, None, False, ["push"]),
        (2, (2, 3), True, ["pull over HTTP", "push"]),
        (2, (2, 0), True, ["pull over HTTP", "pull", "push"]),
        (2, (0, 1, 2), True, ["pull", "pull over HTTP", "push"]),
        (0, (99,), False, ["pull"]),
    ],
)
async def test_firmware_update_tells_how_it_takes_packages(
    new_device: Any, method: int | None, protocols: Any, http: bool, expected: list[str]
) -> None:
    device = new_device(slots=[FakeSlot(0, road=5)], method=method, protocols=protocols)
    slots = await read_slots(device, "device", 42770)
    ways = await possible_ways(device, "device", slots, DIGEST, http=http)
    assert [str(way.transfer) for way in ways] == expected


async def test_a_device_that_fetches_over_http_only_needs_a_server_that_serves_it(new_device: Any) -> None:
    device = new_device(slots=[FakeSlot(0, road=5)], method=0, protocols=(2, 3))
    with pytest.raises(NoSlotError, match="over HTTP only"):
        await possible_ways(device, "device", await read_slots(device, "device", 42770), DIGEST, http=False)


async def test_an_update_that_the_user_defers_is_waited_for_and_not_asked_for_again(
    carry: Carry, new_device: Any
) -> None:
    device = new_device(slots=[FakeSlot(0, road=5)], defers_for=30)
    assert (await carry(device)).outcome == Outcome(True)
    assert device.executed == ["/5/0/2"]
    assert device.severity == [1, 0]


async def test_what_runs_and_what_is_kept_for_going_back_is_not_cancelled(
    new_device: Any, shelf: Any, session_of: Callable[[Any], Any]
) -> None:
    kept = [FakeSlot(number, delivery_state=4, state=state, digest=DIGEST) for number, state in enumerate((3, 4))]
    device = new_device(slots=kept)
    slots = await read_slots(device, "device", 42770)
    assert await Courier(shelf).cancel(session_of(device), slots, PACKAGE, DIGEST) == 0
    assert device.executed == []


@pytest.mark.parametrize(("road", "command"), [(9, "/9/0/6"), (5, "/5/0/10")])
async def test_a_delivery_that_is_not_installed_can_be_cancelled(
    new_device: Any, shelf: Any, session_of: Callable[[Any], Any], road: int, command: str
) -> None:
    device = new_device(slots=[FakeSlot(0, road=road, delivery_state=1, uri="coap://server/packages/x")], lazy=True)
    slots = await read_slots(device, "device", 42770)
    assert await Courier(shelf).cancel(session_of(device), slots, PACKAGE, DIGEST) == 1
    assert device.executed == [command]
    assert device.slots[0].delivery_state == 0
