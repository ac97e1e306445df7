"""Values of a device are watched through a node that does not serve it, and a watch ends on both sides."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.bus import NotOwner
from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.errors import DeviceError, UnknownDevice
from lwm2m_ml.service.watches import elsewhere, lent
from lwm2m_ml.service.watches.watch import Watch
from lwm2m_ml.service.watches.watches import Watches
from tests.cluster.conftest import Node, StartDevice
from tests.cluster.test_nodes import PATIENCE, TEXT, known_at, registered_at
from tests.server.conftest import ScriptedDevice, message

BATTERY = ObjectPath(3, 0, 9)
Pair = tuple[Node, Node]


@asynccontextmanager
async def watching(node: Node) -> AsyncIterator[Watches]:
    watches = Watches(node.server, node.bus)
    watches.start()
    yield watches
    await watches.stop()


@pytest.fixture
async def watches(pair: Pair) -> AsyncIterator[tuple[Watches, Watches]]:
    async with watching(pair[0]) as one, watching(pair[1]) as other:
        yield one, other


@pytest.fixture
async def device(pair: Pair, device_at: StartDevice) -> tuple[ScriptedDevice, str]:
    """A device that the first node serves, that the other one knows, and that lets itself be observed."""
    device, name = await registered_at(pair[0], device_at)
    await known_at(pair[1], name)

    async def accept(request: aiocoap.Message) -> aiocoap.Message:
        response = message(Code.CONTENT, b"20", TEXT)
        if request.opt.observe == 0:
            response.opt.observe = 1
        return response

    device.site.script = accept
    return device, name


async def value(watch: Watch) -> object:
    async with asyncio.timeout(PATIENCE):
        records = await watch.next()
    return None if records is None else records[0].value


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the other side has no event for it
            await asyncio.sleep(0.02)


async def test_values_come_in_order_and_the_device_is_told_when_nobody_watches_any_more(
    pair: Pair, watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str]
) -> None:
    scripted, name = device
    watch = await watches[1].add(name, [BATTERY])
    assert await value(watch) == 20
    for level in range(19, 9, -1):
        scripted.notify(b"%d" % level, TEXT)
        assert await value(watch) == level
    assert pair[0].server.devices.observed(name)
    await watch.close()
    await watch.close()
    assert not pair[0].server.devices.observed(name)
    assert scripted.last_request.opt.observe == 1
    assert len(watches[0]._lent) == 0


async def test_who_watches_where_it_is_served_goes_on_when_the_other_has_gone(
    pair: Pair, watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str]
) -> None:
    scripted, name = device
    here = await watches[0].add(name, [BATTERY])
    there = await watches[1].add(name, [BATTERY])
    assert [await value(here), await value(there)] == [20, 20]
    await there.close()
    scripted.notify(b"19", TEXT)
    assert await value(here) == 19
    await here.close()
    assert not pair[0].server.devices.observed(name)


async def test_what_the_device_refuses_is_told_as_if_it_were_here(
    watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str]
) -> None:
    scripted, name = device
    scripted.answers(b"no such thing", code=Code.NOT_FOUND)
    with pytest.raises(DeviceError, match=r"4\.04"):
        await watches[1].add(name, [BATTERY])
    with pytest.raises(UnknownDevice):
        await watches[1].add("nobody", [BATTERY])
    assert len(watches[0]._lent) == 0


async def test_a_device_that_leaves_ends_the_watch(
    watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str]
) -> None:
    scripted, name = device
    watch = await watches[1].add(name, [BATTERY])
    assert await value(watch) == 20
    assert (await scripted.deregister()).code is Code.DELETED
    assert await value(watch) is None
    await watch.close()
    await until(lambda: len(watches[0]._lent) == 0)


async def test_a_device_that_moves_ends_its_watches_at_all_nodes_and_is_watched_anew(
    pair: Pair, watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str]
) -> None:
    scripted, name = device
    here, there = await watches[0].add(name, [BATTERY]), await watches[1].add(name, [BATTERY])
    assert [await value(here), await value(there)] == [20, 20]
    scripted.server = pair[1].server
    assert (await scripted.update()).code is Code.CHANGED
    assert [await value(here), await value(there)] == [None, None]
    again = await watches[1].add(name, [BATTERY])  # it serves the device by now
    assert await value(again) == 20
    await here.close()  # the former node ends nothing that is observed elsewhere
    await there.close()
    scripted.site.pipes = scripted.site.pipes[-1:]
    scripted.notify(b"18", TEXT)
    assert await value(again) == 18
    await again.close()


async def test_a_node_that_does_not_answer_any_more_ends_the_watch(
    pair: Pair,
    watches: tuple[Watches, Watches],
    device: tuple[ScriptedDevice, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, name = device
    monkeypatch.setattr(elsewhere, "ANSWER_SECONDS", 0.5)
    watch = await watches[1].add(name, [BATTERY])
    assert await value(watch) == 20
    await pair[0].cluster._requests.stop()  # what it was asked gets no answer
    assert await value(watch) is None
    pair[0].cluster.ownership.lose(name)
    await watch.close()


async def test_a_watch_that_nobody_asks_for_is_closed(
    pair: Pair,
    watches: tuple[Watches, Watches],
    device: tuple[ScriptedDevice, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, name = device
    monkeypatch.setattr(lent, "ABANDONED_SECONDS", 0.3)
    asked = {"watch": "w", "endpoint": name, "paths": [str(BATTERY)], "behind": ""}
    await pair[1].bus.ask(name, lent.BEGIN, asked)
    assert pair[0].server.devices.observed(name)
    await until(lambda: len(watches[0]._lent) == 0 and not pair[0].server.devices.observed(name))


async def test_no_news_for_long_is_no_end(
    watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted, name = device
    monkeypatch.setattr(lent, "NEXT_SECONDS", 0.1)
    watch = await watches[1].add(name, [BATTERY])
    assert await value(watch) == 20
    await asyncio.sleep(0.5)
    scripted.notify(b"19", TEXT)
    assert await value(watch) == 19
    await watch.close()


async def test_other_nodes_have_so_many_watches_and_no_more(
    watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, name = device
    monkeypatch.setattr(lent, "LENT_AT_MOST", 1)
    watch = await watches[1].add(name, [BATTERY])
    with pytest.raises(UnavailableError, match="served already"):
        await watches[1].add(name, [ObjectPath(3, 0, 13)])
    await watch.close()
    await (await watches[1].add(name, [ObjectPath(3, 0, 13)])).close()


async def test_a_device_that_no_node_serves_is_not_watched(
    pair: Pair, watches: tuple[Watches, Watches], device: tuple[ScriptedDevice, str]
) -> None:
    _, name = device
    pair[0].cluster.ownership.lose(name)
    with pytest.raises(NotOwner):
        await watches[1].add(name, [BATTERY])
