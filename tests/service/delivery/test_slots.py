"""Module slots: read from the device, and which one is used next."""

from collections.abc import Callable
from typing import Any

import pytest

from lwm2m_ml.module.results import ModuleState
from lwm2m_ml.server.errors import UnknownDevice
from lwm2m_ml.service.delivery.slots import (
    NoSlotError,
    Slot,
    SlotStatus,
    choose_slot,
    read_slots,
    result_sentence,
)
from tests.service.fake_loader import FakeSlot

DIGEST = b"d" * 32


def slot(instance: int, state: ModuleState | None, digest: bytes = b"", *, road: int = 9) -> Slot:
    return Slot(road, instance, instance, SlotStatus(state, 0, digest))


async def test_slots_are_read_with_the_object_that_delivers_into_each(new_device: Callable[..., Any]) -> None:
    device = new_device(slots=[FakeSlot(0, delivery_instance=3, state=3, storage_used=700), FakeSlot(1, road=5)])
    slots = await read_slots(device, "device", 42770)
    assert [(s.delivery_object, s.delivery_instance, s.instance) for s in slots] == [(9, 3, 0), (5, 0, 1)]
    assert slots[0].in_use
    assert slots[0].makes_way_for("anything")
    assert slots[0].storage_used == 700


async def test_without_ml_model_every_delivery_object_is_a_slot(new_device: Callable[..., Any]) -> None:
    slots = await read_slots(new_device(ml=False), "device", 42770)
    assert [(s.delivery_object, s.delivery_instance, s.instance) for s in slots] == [(9, 0, None), (9, 1, None)]


@pytest.mark.parametrize("ml", [True, False])
async def test_what_a_device_offers_is_not_known_while_it_is_not_registered(
    new_device: Callable[..., Any], ml: bool
) -> None:
    with pytest.raises(UnknownDevice):
        await read_slots(new_device(ml=ml, absent=True), "device", 42770)


def test_the_slot_that_holds_the_module_already_is_chosen() -> None:
    slots = [slot(0, ModuleState.EMPTY), slot(1, ModuleState.ACTIVE, DIGEST)]
    assert choose_slot(slots, DIGEST).instance == 1


@pytest.mark.parametrize("taken", [ModuleState.ACTIVE, ModuleState.TRIAL])
def test_what_runs_is_never_overwritten(taken: ModuleState) -> None:
    assert choose_slot([slot(0, taken, b"o" * 32), slot(1, ModuleState.STANDBY)], DIGEST).instance == 1
    with pytest.raises(NoSlotError, match="all 1 module slots are in use"):
        choose_slot([slot(0, taken, b"o" * 32)], DIGEST)


def test_an_empty_slot_is_preferred_to_a_module_that_could_still_serve() -> None:
    slots = [slot(0, ModuleState.STANDBY), slot(1, ModuleState.FAILED), slot(2, ModuleState.EMPTY)]
    assert choose_slot(slots).instance == 2
    assert choose_slot(slots[:2]).instance == 1


def test_software_management_is_preferred_because_it_needs_no_reboot() -> None:
    assert choose_slot([slot(0, ModuleState.EMPTY, road=5), slot(1, ModuleState.STANDBY)]).instance == 1


def test_a_device_without_any_object_to_deliver_with_is_told_so() -> None:
    with pytest.raises(NoSlotError, match="offers no object to deliver with"):
        choose_slot([])


def test_results_are_named_and_unknown_ones_numbered() -> None:
    assert result_sentence(4) == "wrong vendor or class (result 4)"
    assert result_sentence(99) == "the device reported result 99"


def test_beside_other_models_only_the_same_one_makes_way() -> None:
    running = Slot(513, 0, 0, SlotStatus(ModuleState.ACTIVE), memory_used=4_000, model="day")
    assert running.makes_way_for("day")
    assert not running.makes_way_for("night")
    assert not Slot(513, 0, 0, SlotStatus(ModuleState.STANDBY), model="day").makes_way_for("day")
