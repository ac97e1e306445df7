import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml_simulator.errors import FlashMisuse
from lwm2m_ml_simulator.memory.flash import Flash, FlashGeometry, FlashRegion, PowerCut

GEOMETRY = FlashGeometry(total_bytes=4096, erase_block_bytes=1024, write_bytes=4)


def test_fresh_flash_reads_as_erased() -> None:
    assert Flash(GEOMETRY).read(1000, 100) == b"\xff" * 100


def test_programmed_bytes_are_read_back_across_blocks() -> None:
    flash = Flash(GEOMETRY)
    flash.program(1020, b"12345678")
    assert flash.read(1018, 12) == b"\xff\xff12345678\xff\xff"


def test_program_cannot_turn_a_zero_into_a_one() -> None:
    flash = Flash(GEOMETRY)
    flash.program(0, b"\x0f\x0f\x0f\x0f")
    flash.program(0, b"\x01\x01\x01\x01")
    with pytest.raises(FlashMisuse, match="0 into a 1"):
        flash.program(0, b"\x02\x01\x01\x01")


def test_unaligned_program_is_refused() -> None:
    with pytest.raises(FlashMisuse, match="aligned"):
        Flash(GEOMETRY).program(2, b"1234")


@pytest.mark.parametrize(("offset", "length"), [(-4, 4), (4096, 4), (4092, 8)])
def test_access_outside_is_refused(offset: int, length: int) -> None:
    with pytest.raises(FlashMisuse, match="outside"):
        Flash(GEOMETRY).read(offset, length)


def test_erase_clears_one_block_and_wears_it() -> None:
    flash = Flash(GEOMETRY)
    flash.program(1020, b"12345678")
    flash.erase(0)
    assert flash.read(1020, 8) == b"\xff\xff\xff\xff5678"
    assert flash.wear == {0: 1}


def test_a_cut_tears_the_operation_and_silences_the_flash_until_power_returns() -> None:
    flash = Flash(GEOMETRY)
    flash.cut_power_after(1)
    flash.program(0, b"abcd")
    with pytest.raises(PowerCut):
        flash.program(4, b"efgh")
    with pytest.raises(PowerCut):
        flash.erase(0)
    flash.power_on()
    flash.erase(0)
    assert flash.read(0, 8) == b"\xff" * 8


@given(data=st.binary(min_size=4, max_size=64).filter(lambda data: len(data) % 4 == 0), seed=st.integers(0, 1000))
def test_a_torn_program_clears_no_bit_that_the_whole_one_would_not(data: bytes, seed: int) -> None:
    flash = Flash(GEOMETRY, seed=seed)
    flash.cut_power_after(0)
    with pytest.raises(PowerCut):
        flash.program(0, data)
    assert all(torn & whole == whole for torn, whole in zip(flash.read(0, len(data)), data, strict=True))
    assert flash.read(len(data), 16) == b"\xff" * 16


@given(seed=st.integers(0, 1000))
def test_a_torn_erase_sets_only_some_bits(seed: int) -> None:
    flash = Flash(GEOMETRY, seed=seed)
    flash.program(0, bytes(1024))
    flash.cut_power_after(0)
    with pytest.raises(PowerCut):
        flash.erase(0)
    assert len(set(flash.read(0, 1024))) > 10


def test_power_loss_is_told_at_once() -> None:
    flash = Flash(GEOMETRY)
    told: list[bool] = []
    flash.on_power_loss = lambda: told.append(True)
    flash.lose_power_now()
    assert told == [True]
    assert not flash.powered


def test_bit_rot_flips_in_both_directions() -> None:
    flash = Flash(GEOMETRY)
    flash.flip_bit(5, 3)
    assert flash.read(5, 1) == b"\xf7"
    flash.flip_bit(5, 3)
    assert flash.read(5, 1) == b"\xff"


def test_a_region_pads_the_last_unit_and_stays_inside() -> None:
    region = FlashRegion(Flash(GEOMETRY), 1024, 1024)
    region.program(0, b"abc")
    assert region.read(0, 4) == b"abc\xff"
    assert region.is_erased(3, 1021)
    assert not region.is_erased(0, 4)
    region.erase()
    assert region.flash.wear == {1: 1}
    with pytest.raises(FlashMisuse, match="region"):
        region.read(1020, 8)


def test_blocks_erased_more_often_than_they_endure_have_bits_that_stay_zero() -> None:
    flash = Flash(FlashGeometry(8192, 4096, 4), seed=1, endurance=10)
    for _ in range(10):
        flash.erase(0)
    assert flash.read(0, 4096) == bytes([0xFF]) * 4096
    for _ in range(5):
        flash.erase(0)
    zeros = sum(8 - byte.bit_count() for byte in flash.read(0, 4096))
    assert 1 <= zeros <= 5
    flash.program(0, bytes([0xFF]) * 4096)
    assert sum(8 - byte.bit_count() for byte in flash.read(0, 4096)) == zeros
    assert flash.read(4096, 4096) == bytes([0xFF]) * 4096
