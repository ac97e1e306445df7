"""Visits: in order, so many at a time, one to each device."""

import asyncio

import pytest

from lwm2m_ml.server.visits import Visits


class Doors:
    """Visits that last until they are let out."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.left: list[str] = []
        self._out: dict[str, asyncio.Event] = {}

    async def visit(self, endpoint: str) -> None:
        self.entered.append(endpoint)
        out = self._out[endpoint] = asyncio.Event()
        await out.wait()
        self.left.append(endpoint)

    async def let_out(self, endpoint: str) -> None:
        self._out[endpoint].set()
        await turns()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_so_many_at_a_time_in_the_order_they_were_asked_for() -> None:
    doors = Doors()
    visits = Visits(doors.visit, at_once=2)
    for endpoint in "abc":
        visits.ask(endpoint)
    await turns()
    assert doors.entered == ["a", "b"]
    assert "c" in visits
    await doors.let_out("a")
    assert doors.entered == ["a", "b", "c"]
    assert "a" not in visits
    await visits.close()


async def test_asking_again_begins_a_visit_anew_and_leaves_one_that_waits() -> None:
    doors = Doors()
    visits = Visits(doors.visit, at_once=1)
    visits.ask("a")
    visits.ask("b")
    await turns()
    visits.ask("b")
    visits.ask("a")
    await turns()
    assert doors.entered == ["a", "b"]
    await doors.let_out("b")
    await doors.let_out("a")
    assert doors.entered == ["a", "b", "a"]
    assert doors.left == ["b", "a"]
    await visits.close()


async def test_a_device_that_left_is_not_visited() -> None:
    doors = Doors()
    visits = Visits(doors.visit, at_once=1)
    for endpoint in "abc":
        visits.ask(endpoint)
    await turns()
    visits.give_up("b")
    visits.give_up("a")
    await turns()
    assert doors.entered == ["a", "c"]
    await visits.close()


async def test_a_visit_that_fails_concerns_nobody_else() -> None:
    entered: list[str] = []

    async def visit(endpoint: str) -> None:
        entered.append(endpoint)
        raise ValueError(endpoint)

    visits = Visits(visit, at_once=1)
    visits.ask("a")
    visits.ask("b")
    await turns()
    assert entered == ["a", "b"]
    assert "a" not in visits
    await visits.close()


async def test_nothing_is_begun_after_the_end() -> None:
    doors = Doors()
    visits = Visits(doors.visit, at_once=1)
    visits.ask("a")
    visits.ask("b")
    await turns()
    await visits.close()
    visits.ask("c")
    await turns()
    assert doors.entered == ["a"]


async def test_while_the_server_is_pressed_nobody_is_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.server.visits.PRESSED_SECONDS", 0.01)
    pressed = True
    doors = Doors()
    visits = Visits(doors.visit, at_once=2, pressed=lambda: pressed)
    visits.ask("a")
    visits.ask("b")
    await asyncio.sleep(0.05)
    assert doors.entered == []
    pressed = False
    async with asyncio.timeout(10):
        while len(doors.entered) < 2:  # noqa: ASYNC110 - it looks again by itself
            await asyncio.sleep(0.01)
    await visits.close()
