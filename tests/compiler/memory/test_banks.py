"""Plans over several banks: nothing overlaps, nothing goes beyond its bank, and one bank is enough where it can be."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.compiler.memory import Bank, Buffer, fits, plan, plan_banks, problem


@st.composite
def _buffers(draw: st.DrawFn) -> list[Buffer]:
    count = draw(st.integers(1, 12))
    return [
        Buffer(
            f"b{number}",
            draw(st.integers(0, 400)),
            first := draw(st.integers(0, 8)),
            first + draw(st.integers(0, 4)),
            4,
        )
        for number in range(count)
    ]


def _check(buffers: list[Buffer], banks: tuple[Bank, ...], sizes: list[int]) -> None:
    by_name = {buffer.name: buffer for buffer in buffers}
    placed = [name for bank in banks for name in bank.plan.offsets]
    assert sorted(placed) == sorted(by_name)
    for bank in banks:
        inside = [by_name[name] for name in bank.plan.offsets]
        assert bank.plan.arena_bytes <= sizes[bank.number]
        assert fits(problem(inside), [bank.plan.offsets[buffer.name] for buffer in inside])


@given(_buffers(), st.lists(st.integers(50, 600), min_size=1, max_size=4))
def test_every_buffer_lies_in_one_bank_and_disturbs_no_other(buffers: list[Buffer], sizes: list[int]) -> None:
    banks = plan_banks(buffers, sizes)
    if banks is not None:
        _check(buffers, banks, sizes)
    elif max(buffer.size for buffer in buffers) <= max(sizes):
        # What is refused is too much for any one bank.
        assert plan(buffers).arena_bytes > max(sizes)


@given(_buffers())
def test_one_bank_that_holds_everything_is_enough(buffers: list[Buffer]) -> None:
    needed = plan(buffers).arena_bytes
    banks = plan_banks(buffers, [needed, 4 * needed + 4])
    assert banks is not None
    assert [bank.number for bank in banks] == [0]


def test_what_no_bank_holds_is_divided() -> None:
    buffers = [Buffer("a", 80, 0, 2, 4), Buffer("b", 80, 1, 3, 4), Buffer("c", 40, 2, 3, 4)]
    banks = plan_banks(buffers, [128, 96])
    assert banks is not None
    assert {bank.number: sorted(bank.plan.offsets) for bank in banks} == {0: ["a", "c"], 1: ["b"]}
    assert plan_banks(buffers, [100, 60]) is None
