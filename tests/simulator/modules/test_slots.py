from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.module.results import ModuleResult, ModuleState
from lwm2m_ml_simulator.errors import IllegalTransition
from lwm2m_ml_simulator.memory.flash import Flash, FlashGeometry, FlashRegion
from lwm2m_ml_simulator.memory.journal import Journal
from lwm2m_ml_simulator.modules.slots import IN_USE, SlotBank, StagedModule


def start_trial(bank: SlotBank, slot: int) -> None:
    """In place of whatever runs."""
    bank.start_trial(slot, next(iter(bank.running), None))


ACTIONS: dict[str, Callable[[SlotBank, int], object]] = {
    "clear": SlotBank.clear,
    "stage": lambda bank, slot: bank.stage(slot, staged(slot + 1)),
    "reject": lambda bank, slot: bank.reject(slot, ModuleResult.DIGEST_MISMATCH),
    "trial": start_trial,
    "confirm": SlotBank.confirm,
    "fail": lambda bank, slot: bank.fail(slot, ModuleResult.LATENCY_LIMIT_PASSED),
    "deactivate": SlotBank.deactivate,
    "boot": SlotBank.schedule_boot,
}


def staged(sequence_number: int) -> StagedModule:
    return StagedModule(3, 1000, 115, 885, sequence_number, bytes([sequence_number]) * 32)


@pytest.fixture
def flash() -> Flash:
    return Flash(FlashGeometry(4096, 1024, 4))


def mounted(flash: Flash) -> SlotBank:
    region = FlashRegion(flash, 0, 4096)
    return SlotBank(Journal(region), [region, region], clock=lambda: 1.5)


def states(bank: SlotBank) -> list[ModuleState]:
    return [slot.state for slot in bank.slots]


def test_a_trial_supersedes_and_its_failure_restores(flash: Flash) -> None:
    bank = mounted(flash)
    for slot, sequence_number in ((0, 4), (1, 5)):
        bank.stage(slot, staged(sequence_number))
        start_trial(bank, slot)
        if slot == 0:
            bank.confirm(slot)
    assert states(bank) == [ModuleState.STANDBY, ModuleState.TRIAL]
    assert not bank.is_free(0)
    assert bank.slots[1].predecessor == 0
    restored = bank.fail(1, ModuleResult.TRIAL_UNCONFIRMED)
    assert restored is not None
    assert restored.number == 0
    assert states(bank) == [ModuleState.ACTIVE, ModuleState.FAILED]
    assert bank.sequence_floor == 4


def test_the_floor_rises_only_on_confirm(flash: Flash) -> None:
    bank = mounted(flash)
    bank.stage(0, staged(9))
    start_trial(bank, 0)
    assert bank.sequence_floor == 0
    bank.confirm(0)
    assert bank.sequence_floor == 9


def test_a_slot_in_use_cannot_be_cleared(flash: Flash) -> None:
    bank = mounted(flash)
    bank.stage(0, staged(1))
    start_trial(bank, 0)
    with pytest.raises(IllegalTransition, match="in use"):
        bank.clear(0)


def test_an_empty_slot_cannot_be_booted_into(flash: Flash) -> None:
    with pytest.raises(IllegalTransition, match="empty"):
        mounted(flash).schedule_boot(1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(0, 1)), max_size=25))
def test_any_sequence_of_events_keeps_at_most_one_module_in_use_and_survives_a_reboot(
    events: list[tuple[str, int]],
) -> None:
    flash = Flash(FlashGeometry(4096, 1024, 4))
    bank = mounted(flash)
    for name, slot in events:
        try:
            ACTIONS[name](bank, slot)
        except IllegalTransition:
            continue
        assert sum(state in IN_USE for state in states(bank)) <= 1
    again = mounted(flash)
    assert (again.slots, again.sequence_floor, again.boot_into) == (bank.slots, bank.sequence_floor, bank.boot_into)
