"""Health: what does not work is told, and told no longer when it works again."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.service.health import Health
from lwm2m_ml.service.wall_clock import WallClock
from lwm2m_ml.store import Store
from lwm2m_ml.store.database import PRAGMAS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.sqlite3"


@pytest.fixture
async def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """One that does not wait long for its turn to write."""
    monkeypatch.setattr("lwm2m_ml.store.database.PRAGMAS", (*PRAGMAS, "PRAGMA busy_timeout = 1"))
    store = await Store.open(f"sqlite+aiosqlite:///{path}")
    yield store
    await store.close()


class Clocks:
    """A wall clock that can be set, and one that goes on."""

    def __init__(self) -> None:
        self.wall = 1e9
        self.steady = 10.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def wall_clock(self) -> WallClock:
        return WallClock(lambda: self.wall, lambda: self.steady)


async def test_a_database_that_takes_no_writes_is_told_until_it_does(store: Store, path: Path) -> None:
    health = Health(store)
    await health.check_ready()
    assert health.problems == ()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError):
        await health.check_ready()
    assert len(health.problems) == 1
    assert "no writes" in health.problems[0]
    other.execute("ROLLBACK")
    other.close()
    await health.check_ready()
    assert health.problems == ()


async def test_it_finds_out_by_itself_that_the_database_takes_writes_again(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwm2m_ml.service.health.LOOK_SECONDS", 0.01)
    health = Health(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError):
        await health.check_ready()
    other.execute("ROLLBACK")
    other.close()
    health.start()
    while health.problems:
        await store.writer.flush()
    await health.stop()


async def test_readiness_does_not_wait_for_ever(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.service.health.READY_SECONDS", 0.0)
    with pytest.raises(UnavailableError, match="at present"):
        await Health(store).check_ready()


@pytest.mark.parametrize(("seconds", "said"), [(7_200.0, "7200 s forward"), (-7_200.0, "7200 s back")])
async def test_a_clock_that_was_set_is_told(store: Store, seconds: float, said: str) -> None:
    clocks = Clocks()
    health = Health(store, clocks.wall_clock())
    clocks.pass_by(3_600.0)
    health.look()
    assert health.problems == ()
    clocks.wall += seconds
    health.look()
    health.look()
    assert len(health.problems) == 1
    assert said in health.problems[0]
