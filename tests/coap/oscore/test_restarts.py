"""What is kept over restarts and crashes of either side, so that no message is believed or numbered twice."""

import asyncio
from dataclasses import replace
from typing import Any

import aiocoap
import pytest

from lwm2m_ml.coap import CoapError
from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.numbers import ACK
from lwm2m_ml.coap.oscore import MemoryStates, OscoreKeyring, ReplayState
from tests.coap.conftest import RawPeer
from tests.coap.oscore.parties import DEVICE, SERVER, WAIT, Listen, Value, ask, message, reaching


async def test_after_an_orderly_restart_nothing_is_asked_and_nothing_repeated(
    listen: Listen, known: OscoreKeyring, peer: RawPeer
) -> None:
    states = MemoryStates()
    server = await listen(known, states)
    device = await listen(reaching(peer.address))
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    await peer.ask(server.local_address, request)
    await server.close()
    again = await listen(known, states)
    assert (await peer.ask(again.local_address, request)).payload == b"Replay detected"
    asking.cancel()


async def test_nothing_is_opened_once_the_window_is_being_saved(
    listen: Listen, known: OscoreKeyring, peer: RawPeer
) -> None:
    saving, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStates):
        async def save_replay_state(self, context: str, state: ReplayState) -> None:
            saving.set()
            await go_on.wait()
            await super().save_replay_state(context, state)

    server = await listen(known, Slow())
    device = await listen(reaching(server))
    await device.request(message(aiocoap.GET, server, "who"))
    assert device._oscore is not None
    device._oscore._lookup.add(SERVER, server=peer.address)  # type: ignore[attr-defined]
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    closing = asyncio.create_task(server.close())
    await asyncio.wait_for(saving.wait(), WAIT)
    assert await peer.ask(server.local_address, request) == RawMessage(ACK, 0, request.message_id)
    go_on.set()
    await closing
    asking.cancel()


async def test_after_a_crash_the_server_asks_for_an_echo(listen: Listen, known: OscoreKeyring, peer: RawPeer) -> None:
    states = MemoryStates()
    server = await listen(known, states)
    device = await listen(reaching(server))
    await device.request(message(aiocoap.GET, server, "who"))
    crashed = await listen(known, states)  # the window was taken and never saved
    assert device._oscore is not None
    device._oscore._lookup.add(SERVER, server=crashed.local_address)  # type: ignore[attr-defined]
    assert (await device.request(message(aiocoap.GET, crashed, "who"))).payload == b"device-1"
    assert crashed._oscore is not None
    (active,) = crashed._oscore._contexts.values()
    assert active.window is not None


async def test_what_another_process_has_answered_meanwhile_is_not_answered_again(
    listen: Listen, known: OscoreKeyring, peer: RawPeer
) -> None:
    states = MemoryStates()
    one, other = await listen(known, states), await listen(known, states)
    device = await listen(reaching(one))
    await device.request(message(aiocoap.GET, one, "who"))
    assert device._oscore is not None
    lookup: Any = device._oscore._lookup
    lookup.add(SERVER, server=other.local_address)
    await device.request(message(aiocoap.GET, other, "who"))
    lookup.add(SERVER, server=peer.address)
    asking = asyncio.create_task(device.request(message(aiocoap.GET, peer.address, "who")))
    request, _ = await peer.receive_from()
    await peer.ask(other.local_address, request)
    one.doubt("device-1")
    await peer.ask(one.local_address, request)
    assert one._oscore is not None
    (active,) = one._oscore._contexts.values()
    assert active.window is None, "a repetition was believed"
    assert (await device.request(message(aiocoap.GET, one, "who"))).payload == b"device-1"
    again = replace(request, message_id=(request.message_id + 1) % 65_536)
    assert (await peer.ask(one.local_address, again)).payload == b"Replay detected"
    asking.cancel()


async def test_after_a_crash_of_the_device_the_server_observes_again(
    listen: Listen, known: OscoreKeyring, value: Value
) -> None:
    states = MemoryStates()
    await states.take_replay_state(SERVER.context_name)
    server = await listen(known)
    device = await listen(reaching(server), states)
    remote = server.secured(await server.connect("coap", *device.local_address), DEVICE)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    observation = await server.observe(ask(remote, "value"), lambda response: heard.put_nowait(response.payload))
    assert observation.active
    value.change(b"2")
    assert await asyncio.wait_for(heard.get(), WAIT) == b"2"
    await observation.cancel()


async def test_sequence_numbers_are_reserved_in_chunks_and_never_repeat(listen: Listen, known: OscoreKeyring) -> None:
    calls: list[int] = []

    class Counting(MemoryStates):
        async def reserve(self, context: str, count: int) -> int:
            calls.append(count)
            await asyncio.sleep(0)
            return await super().reserve(context, count)

    server = await listen(known, nstart=100)
    states = Counting()
    device = await listen(reaching(server), states, oscore_number_chunk=10, nstart=100)
    answers = await asyncio.gather(*(device.request(message(aiocoap.GET, server, "who")) for _ in range(30)))
    assert {answer.payload for answer in answers} == {b"device-1"}
    assert set(calls) == {10}
    assert len(calls) <= 4


async def test_a_store_that_fails_fails_the_request(listen: Listen, known: OscoreKeyring) -> None:
    class Broken(MemoryStates):
        async def reserve(self, context: str, count: int) -> int:
            raise OSError("disk full")

    server = await listen(known)
    device = await listen(reaching(server), Broken())
    with pytest.raises(CoapError, match="disk full"):
        await device.request(message(aiocoap.GET, server, "who"))
