import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml_simulator.errors import StorageFull
from lwm2m_ml_simulator.memory.flash import Flash, FlashGeometry, FlashRegion, PowerCut
from lwm2m_ml_simulator.memory.journal import Journal

WRITES = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=60)), max_size=40)


def region(flash: Flash) -> FlashRegion:
    return FlashRegion(flash, 0, flash.geometry.total_bytes)


def small_flash(seed: int = 0, write_bytes: int = 4) -> Flash:
    return Flash(FlashGeometry(total_bytes=1024, erase_block_bytes=512, write_bytes=write_bytes), seed=seed)


def state(journal: Journal) -> dict[int, bytes | None]:
    return {key: journal.get(key) for key in range(4)}


@settings(deadline=None)
@given(writes=WRITES, write_bytes=st.sampled_from([1, 4, 8, 16]))
def test_the_newest_value_of_each_key_survives_a_reboot(writes: list[tuple[int, bytes]], write_bytes: int) -> None:
    flash = small_flash(write_bytes=write_bytes)
    journal = Journal(region(flash))
    for key, value in writes:
        journal.put(key, value)
    expected: dict[int, bytes | None] = dict.fromkeys(range(4)) | dict(writes)
    assert state(Journal(region(flash))) == expected


@settings(max_examples=150, deadline=None)
@given(writes=WRITES, cut=st.integers(0, 60), second_cut=st.integers(0, 6), seed=st.integers(0, 10_000))
def test_a_cut_at_any_operation_leaves_the_state_before_or_after(
    writes: list[tuple[int, bytes]], cut: int, second_cut: int, seed: int
) -> None:
    flash = small_flash(seed)
    flash.cut_power_after(cut)
    before: dict[int, bytes | None] = dict.fromkeys(range(4))
    after = before
    try:
        journal = Journal(region(flash))
        for key, value in writes:
            after = before | {key: value}
            journal.put(key, value)
            before = after
    except PowerCut:
        flash.power_on()
        flash.cut_power_after(second_cut)
        try:  # Mounting may write too, and may be cut too.
            Journal(region(flash))
        except PowerCut:
            flash.power_on()
    flash.power_on()
    assert state(Journal(region(flash))) in (before, after)


def test_a_value_that_does_not_change_is_not_written() -> None:
    flash = small_flash()
    journal = Journal(region(flash))
    journal.put(1, b"same")
    operations = flash.operations
    journal.put(1, b"same")
    assert flash.operations == operations


def test_banks_take_turns_so_wear_is_shared() -> None:
    flash = small_flash()
    journal = Journal(region(flash))
    for number in range(400):
        journal.put(0, number.to_bytes(8, "little"))
    assert abs(flash.wear[0] - flash.wear[1]) <= 1


def test_state_beyond_a_bank_is_refused_and_the_old_state_stays() -> None:
    flash = small_flash()
    journal = Journal(region(flash))
    journal.put(0, b"kept")
    with pytest.raises(StorageFull):
        journal.put(1, bytes(600))
    assert Journal(region(flash)).get(0) == b"kept"
    assert journal.get(1) is None


def test_a_journal_needs_two_blocks() -> None:
    flash = small_flash()
    with pytest.raises(StorageFull, match="two erase blocks"):
        Journal(FlashRegion(flash, 0, 512))
