"""Turns: first come, first served, one at a time."""

import asyncio

import pytest

from lwm2m_ml.server.errors import DeviceBusy
from lwm2m_ml.server.turns import Turns


async def test_turns_are_in_order_and_exclusive() -> None:
    turns, log = Turns(10), list[str]()

    async def work(name: str) -> None:
        async with turns.of("dev"):
            log.append(f"{name} in")
            await asyncio.sleep(0)
            log.append(f"{name} out")

    await asyncio.gather(*(work(name) for name in "abc"))
    assert log == ["a in", "a out", "b in", "b out", "c in", "c out"]
    assert turns.waiting("dev") == 0


async def test_devices_do_not_wait_for_each_other() -> None:
    turns = Turns(10)
    async with turns.of("a"), asyncio.timeout(1), turns.of("b"):
        assert (turns.waiting("a"), turns.waiting("b")) == (1, 1)


async def test_who_gives_up_waiting_leaves_the_line() -> None:
    turns = Turns(10)

    async def work() -> None:
        async with turns.of("dev"):
            await asyncio.sleep(10)

    first, second, third = (asyncio.create_task(work()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.wait((first, second))
    assert turns.waiting("dev") == 1
    third.cancel()
    await asyncio.wait((third,))
    assert turns.waiting("dev") == 0


async def test_a_full_line_is_refused() -> None:
    turns = Turns(0)
    async with turns.of("dev"):
        with pytest.raises(DeviceBusy, match="dev"):
            async with turns.of("dev"):
                raise AssertionError
    async with turns.of("dev"):
        pass
