"""A node that has no lease any more is told of once, and only when it was missed several times in a row."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from lwm2m_ml.bus import Bus, ProcessLost
from lwm2m_ml.cluster.peers import LOOKS_BEFORE_LOST, Peers


class Leases:
    """The bucket of leases, as the stream beneath it tells of its keys."""

    def __init__(self) -> None:
        self.nodes: set[str] = set()

    async def stream_info(self, name: str, subjects_filter: str) -> Any:
        assert (name, subjects_filter) == ("KV_leases", ">")
        subjects = {f"$KV.leases.{node}": 1 for node in self.nodes}
        return SimpleNamespace(state=SimpleNamespace(subjects=subjects or None))


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus()
    yield bus
    await bus.close()


async def test_a_node_is_lost_when_it_was_missed_several_times_in_a_row(bus: Bus) -> None:
    lost: list[str] = []

    async def hear(event: ProcessLost) -> None:
        lost.append(event.process)

    bus.subscribe(ProcessLost, hear)
    leases: Any = Leases()
    peers = Peers(leases, "leases", bus)

    async def look(*nodes: str, times: int = 1) -> list[str]:
        leases.nodes = set(nodes)
        for _ in range(times):
            peers._note(await peers._nodes())
        await bus.drain()
        return lost

    await look("one", "other")
    assert await look("one", times=LOOKS_BEFORE_LOST - 1) == []
    assert await look("one", "other") == []  # it is back
    assert await look("one", times=LOOKS_BEFORE_LOST - 1) == []
    assert await look("one", times=5) == ["other"]
    assert await look(times=LOOKS_BEFORE_LOST) == ["other", "one"]
