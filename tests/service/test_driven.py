import asyncio
from collections.abc import Callable

import pytest

from lwm2m_ml.bus import Bus, OwnershipGained, OwnershipLost, SoleOwner
from lwm2m_ml.errors import ConflictError
from lwm2m_ml.service import driven
from lwm2m_ml.service.driven import Driven
from lwm2m_ml.store.fence import CAMPAIGNS

TURNS = 10_000


class Owner(SoleOwner):
    def __init__(self) -> None:
        self.owns = True

    def has(self, name: str) -> bool:
        return self.owns and name == CAMPAIGNS


class Piece:
    """A runner that ends when it is told to."""

    def __init__(self, name: str = "piece") -> None:
        self.id = name
        self.finished = False
        self.failures: list[Exception] = []
        self.drives = 0
        self.told = asyncio.Event()

    @property
    def state(self) -> str:
        return "done" if self.finished else "running"

    async def drive(self) -> None:
        self.drives += 1
        if self.failures:
            raise self.failures.pop()
        await self.told.wait()
        self.finished = True


class Place:
    """A process that drives pieces."""

    def __init__(self) -> None:
        self.bus, self.owner = Bus(), Owner()
        self.stored: list[Piece] = []
        self.failures: list[Exception] = []
        self.over: list[str] = []
        self.halts = 0
        self.driven: Driven[Piece] = Driven(
            "piece", self.bus, self.owner, resume=self.resume, over=self.over.append, halted=self.halted
        )

    async def resume(self) -> None:
        if self.failures:
            raise self.failures.pop()
        for piece in self.stored:
            self.driven.begin(piece)

    def halted(self) -> None:
        self.halts += 1


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(driven, "RESTART_SECONDS", 0.0)
    monkeypatch.setattr(driven, "AGAIN_SECONDS", 0.0)
    return Place()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(TURNS):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


async def test_what_the_store_has_is_driven_to_its_end(place: Place) -> None:
    piece = Piece()
    place.stored = [piece]
    await place.driven.start()
    assert place.driven.get("piece") is piece
    assert place.driven.all() == (piece,)
    piece.told.set()
    await until(lambda: place.over == ["piece"])
    assert place.driven.get("piece") is None


async def test_a_piece_that_is_interrupted_goes_on(place: Place) -> None:
    piece = Piece()
    piece.failures = [ConflictError("no"), OSError("the disk")]
    piece.told.set()
    place.driven.begin(piece)
    await until(lambda: place.over == ["piece"])
    assert piece.drives == 3


async def test_a_piece_is_begun_once(place: Place) -> None:
    piece = Piece()
    place.driven.begin(piece)
    place.driven.begin(piece)
    await until(lambda: piece.drives > 0)
    await asyncio.sleep(0)
    assert piece.drives == 1
    await place.driven.stop()


async def test_a_process_that_owns_nothing_begins_nothing(place: Place) -> None:
    place.stored, place.owner.owns = [Piece()], False
    await place.driven.start()
    assert not place.driven.here
    assert place.driven.all() == ()


async def test_pieces_stop_where_the_ownership_is_lost_and_go_on_where_it_is_gained(place: Place) -> None:
    piece, beside = Piece(), asyncio.Event()
    place.stored = [piece]
    await place.driven.start()
    place.driven.spawn(waits(beside), name="beside")
    await until(lambda: piece.drives == 1)
    place.owner.owns = False
    place.bus.publish(OwnershipLost(CAMPAIGNS))
    await until(beside.is_set)
    assert place.driven.all() == ()
    assert place.halts == 1
    place.owner.owns = True
    place.failures = [ConflictError("the store is not there yet")]
    place.bus.publish(OwnershipGained("another name"))
    place.bus.publish(OwnershipGained(CAMPAIGNS))
    await until(lambda: piece.drives == 2)
    assert place.over == []
    await place.driven.stop()


async def test_after_the_stop_nothing_is_driven_and_nothing_is_over(place: Place) -> None:
    piece = Piece()
    place.stored = [piece]
    await place.driven.start()
    await place.driven.stop()
    assert (place.driven.all(), place.over, place.halts) == ((), [], 1)
    place.bus.publish(OwnershipGained(CAMPAIGNS))
    await asyncio.sleep(0.01)
    assert place.driven.all() == ()


async def waits(stopped: asyncio.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        stopped.set()
