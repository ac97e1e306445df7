"""The planner against brute force, and properties that hold for every plan."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.compiler.memory import Buffer, InPlace, InvalidMemoryProblem, fits, plan, problem


def make_buffers(shapes: list[tuple[int, int, int]], alignment: int) -> list[Buffer]:
    return [
        Buffer(f"b{number}", size, first, first + length, alignment)
        for number, (size, first, length) in enumerate(shapes)
    ]


SHAPES = st.tuples(st.integers(0, 7), st.integers(0, 4), st.integers(0, 3))


def possible_pairs(buffers: list[Buffer]) -> list[tuple[str, str]]:
    return [
        (source.name, result.name)
        for source, result in itertools.permutations(buffers, 2)
        if source.last_use == result.first_use and source.first_use < result.first_use
    ]


@st.composite
def problems(draw: st.DrawFn, most: int) -> tuple[list[Buffer], list[InPlace]]:
    buffers = make_buffers(draw(st.lists(SHAPES, max_size=most)), draw(st.sampled_from((1, 4))))
    candidates = possible_pairs(buffers)
    chosen = draw(st.lists(st.sampled_from(candidates), unique=True, max_size=3)) if candidates else []
    return buffers, [InPlace(source, result, draw(st.integers(0, 4))) for source, result in chosen]


def brute_force_height(buffers: list[Buffer], in_place: list[InPlace]) -> int:
    """The smallest height over all assignments of small offsets: no cleverness shared with the planner."""
    pairs = {(pair.source, pair.result): pair.lead for pair in in_place}

    def compatible(one: Buffer, one_offset: int, two: Buffer, two_offset: int) -> bool:
        if not (one.size and two.size) or one.first_use > two.last_use or two.first_use > one.last_use:
            return True
        if one_offset + one.size <= two_offset or two_offset + two.size <= one_offset:
            return True
        for source, source_offset, result, result_offset in (
            (one, one_offset, two, two_offset),
            (two, two_offset, one, one_offset),
        ):
            lead = pairs.get((source.name, result.name))
            if lead is not None and result_offset + lead <= source_offset:
                return True
        return False

    def possible(limit: int, chosen: list[int]) -> bool:
        if len(chosen) == len(buffers):
            return True
        buffer = buffers[len(chosen)]
        return any(
            possible(limit, [*chosen, offset])
            for offset in range(0, limit - buffer.size + 1, buffer.alignment)
            if all(compatible(buffer, offset, buffers[i], other) for i, other in enumerate(chosen))
        )

    return next(limit for limit in itertools.count() if possible(limit, []))


@given(problems(most=4))
@settings(max_examples=150, deadline=None)
def test_small_plans_are_as_small_as_brute_force_finds(case: tuple[list[Buffer], list[InPlace]]) -> None:
    buffers, in_place = case
    found = plan(buffers, in_place=in_place)
    assert found.exact
    assert found.arena_bytes == brute_force_height(buffers, in_place)


@given(problems(most=40))
@settings(max_examples=60, deadline=None)
def test_no_two_buffers_overlap_and_no_plan_is_below_the_bound(case: tuple[list[Buffer], list[InPlace]]) -> None:
    buffers, in_place = case
    found = plan(buffers, in_place=in_place, node_budget=500)
    offsets = [found.offsets[buffer.name] for buffer in buffers]
    assert fits(problem(buffers, in_place), offsets)
    assert found.arena_bytes >= found.lower_bound_bytes
    assert all(offset + buffer.size <= found.arena_bytes for offset, buffer in zip(offsets, buffers, strict=True))


def test_same_buffers_give_the_same_plan() -> None:
    buffers = make_buffers([(100 * (i * 7 % 11) + 8, i * 5 % 9, i % 4) for i in range(30)], 16)
    assert plan(buffers) == plan(buffers)


def test_a_chain_needs_its_largest_neighbouring_pair() -> None:
    sizes = [64, 3200, 1600, 800, 16]
    chain = [Buffer(f"t{i}", size, i, i + 1, 16) for i, size in enumerate(sizes)]
    found = plan(chain)
    assert (found.arena_bytes, found.lower_bound_bytes, found.exact) == (4800, 4800, True)


def test_search_beats_the_greedy_orders_where_they_fail() -> None:
    # Greedy by size stacks the two long buffers apart; the optimum interleaves them.
    buffers = make_buffers([(5, 0, 1), (4, 1, 2), (3, 2, 1), (6, 3, 1), (2, 0, 4), (4, 4, 1)], 1)
    found = plan(buffers)
    assert found.exact
    assert found.arena_bytes == brute_force_height(buffers, [])


def test_in_place_result_takes_the_place_of_its_source() -> None:
    buffers = [Buffer("input", 1024, 0, 1), Buffer("output", 1024, 1, 2)]
    assert plan(buffers).arena_bytes == 2048
    found = plan(buffers, in_place=[InPlace("input", "output")])
    assert found.arena_bytes == 1024
    assert found.offsets == {"input": 0, "output": 0}


def test_a_lead_keeps_the_result_below_its_source() -> None:
    buffers = [Buffer("input", 1024, 0, 1), Buffer("output", 1024, 1, 2)]
    found = plan(buffers, in_place=[InPlace("input", "output", lead=100)])
    assert found.offsets["output"] + 100 <= found.offsets["input"]
    assert found.arena_bytes == 1024 + 112
    assert found.exact


def test_nothing_needs_nothing() -> None:
    assert plan([]).arena_bytes == 0


def test_a_large_graph_is_planned_within_its_budget() -> None:
    buffers = make_buffers([(16 * (i * 37 % 101 + 1), i, i * 13 % 7) for i in range(400)], 16)
    found = plan(buffers)
    assert found.arena_bytes <= found.lower_bound_bytes * 1.3


@pytest.mark.parametrize(
    "buffers",
    [
        [Buffer("a", 1, 0, 0), Buffer("a", 1, 0, 0)],
        [Buffer("a", -1, 0, 0)],
        [Buffer("a", 1, 3, 2)],
        [Buffer("a", 1, 0, 0, alignment=3)],
        [Buffer("a", 2**50, 0, 0)],
    ],
)
def test_contradictory_buffers_are_refused(buffers: list[Buffer]) -> None:
    with pytest.raises(InvalidMemoryProblem):
        plan(buffers)


@pytest.mark.parametrize("pair", [InPlace("a", "b"), InPlace("a", "a"), InPlace("b", "c"), InPlace("b", "a", -1)])
def test_impossible_pairs_are_refused(pair: InPlace) -> None:
    with pytest.raises(InvalidMemoryProblem):
        plan([Buffer("a", 8, 0, 3), Buffer("b", 8, 1, 2)], in_place=[pair])


@given(problems(most=12), st.sampled_from((4, 60, 20_000)))
def test_order_of_the_buffers_does_not_change_the_size(
    task: tuple[list[Buffer], list[InPlace]], node_budget: int
) -> None:
    buffers, in_place = task
    forwards = plan(buffers, in_place=in_place, node_budget=node_budget)
    backwards = plan(buffers[::-1], in_place=in_place, node_budget=node_budget)
    assert (forwards.arena_bytes, forwards.exact) == (backwards.arena_bytes, backwards.exact)
