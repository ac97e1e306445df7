"""Tables that another node changed are read anew, and no others."""

from collections.abc import Awaitable, Callable, Set

import pytest

from lwm2m_ml.bus import Bus
from lwm2m_ml.service.following import StoreFollowing
from lwm2m_ml.store.changes import StoreChanged


@pytest.fixture
def read() -> list[str]:
    return []


@pytest.fixture
async def bus(read: list[str]) -> Bus:
    def reader(name: str) -> Callable[[], Awaitable[None]]:
        async def note() -> None:
            read.append(name)

        return note

    async def follow(changed: Set[str]) -> None:
        read.append(" ".join(sorted(changed)))

    bus = Bus()
    StoreFollowing(follow, {("models", "model_aliases"): reader("zoo"), ("jobs",): reader("jobs")}).start(bus)
    return bus


async def test_what_another_node_changed_is_read_once_after_the_server_has_heard_of_it(
    bus: Bus, read: list[str]
) -> None:
    bus.deliver(StoreChanged(("model_aliases", "models", "credentials")))
    await bus.drain()
    assert read == ["credentials model_aliases models", "zoo"]


async def test_what_this_node_changed_is_known_already(bus: Bus, read: list[str]) -> None:
    bus.publish(StoreChanged(("models",)))
    await bus.drain()
    assert read == []
