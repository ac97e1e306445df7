"""Hashes of blocks: only good blocks are passed on, whatever pieces they arrive in."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.module import cbor
from lwm2m_ml.module.block_table import BlockChecker, BlockTable, usual_block_bytes
from lwm2m_ml.module.errors import InvalidPackageFactsError, MalformedCborError

PAYLOAD = bytes(range(256)) * 3 + b"end"


def test_the_table_holds_half_the_sha_256_of_each_block() -> None:
    table = BlockTable.of(PAYLOAD, 256)
    assert table.hashes[:16] == sha256(PAYLOAD[:256]).digest()[:16]
    assert len(table.hashes) == 4 * 16
    assert table.matches(3, b"end")
    assert not table.matches(3, b"enD")
    assert not table.matches(4, b"end")


@given(st.lists(st.integers(1, 300), max_size=12))
def test_all_blocks_come_out_in_order(sizes: list[int]) -> None:
    checker, out, position = BlockChecker(BlockTable.of(PAYLOAD, 256)), bytearray(), 0
    for size in [*sizes, len(PAYLOAD)]:
        piece = PAYLOAD[position : position + size]
        position += len(piece)
        out += checker.feed(piece, last=position == len(PAYLOAD)) or b""
    assert out == PAYLOAD


@given(st.integers(0, len(PAYLOAD) - 1))
def test_nothing_of_a_bad_block_is_passed_on(position: int) -> None:
    changed = bytearray(PAYLOAD)
    changed[position] ^= 1
    checker = BlockChecker(BlockTable.of(PAYLOAD, 256))
    assert checker.feed(bytes(changed), last=True) is None


def test_tables_survive_the_round_trip() -> None:
    table = BlockTable.of(PAYLOAD, 256)
    assert BlockTable.decode(table.encode(), len(PAYLOAD)) == table


@pytest.mark.parametrize(
    "value",
    [[256, bytes(63)], [256, bytes(80)], [0, bytes(64)], [True, b""], [256], {1: 2}, ["256", b""], [1 << 40, b""]],
)
def test_tables_that_do_not_fit_the_payload_are_refused(value: object) -> None:
    with pytest.raises(MalformedCborError):
        BlockTable.decode(cbor.encode(value), len(PAYLOAD))


@pytest.mark.parametrize("size", [0, 63, 1 << 20])
def test_blocks_have_a_reasonable_size(size: int) -> None:
    with pytest.raises(InvalidPackageFactsError):
        BlockTable.of(PAYLOAD, size or 1)


@pytest.mark.parametrize(
    ("payload_bytes", "room", "block_bytes"),
    [
        (4_095, 2_000, None),  # fetched again as a whole
        (4_096, 2_000, 1_024),
        (33_000, 33 * 16 + 13, 1_024),
        (33_000, 33 * 16 + 12, 2_048),
        (33_000, 9 * 16 + 13, 4_096),
        (33_000, 9 * 16 + 12, None),
        (33_000, -500, None),
    ],
)
def test_the_smallest_blocks_whose_table_fits_are_taken(payload_bytes: int, room: int, block_bytes: int | None) -> None:
    assert usual_block_bytes(payload_bytes, room, 4_096) == block_bytes


def test_no_block_is_larger_than_the_buffer_that_it_waits_in() -> None:
    assert usual_block_bytes(33_000, 9 * 16 + 13, 2_048) is None
