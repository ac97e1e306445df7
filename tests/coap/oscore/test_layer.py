"""OSCORE on the wire with ourselves on both sides."""

import asyncio

import aiocoap

from lwm2m_ml.coap import FastAnswer, FastRequest, FastResponse, Remote
from lwm2m_ml.coap.oscore import OscoreKeyring
from tests.coap.oscore.parties import BODY, DEVICE, WAIT, Listen, Value, ask, message, reaching
from tests.coap.oscore.relay import Relay


async def test_a_device_is_known_by_its_context(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    assert (await device.request(message(aiocoap.GET, server, "who"))).payload == b"device-1"
    assert (await device.request(message(aiocoap.GET, server, "who"))).payload == b"device-1"


async def test_bodies_of_any_size_pass_both_ways(listen: Listen, known: OscoreKeyring, value: Value) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    assert (await device.request(message(aiocoap.PUT, server, "value", BODY))).code == aiocoap.CHANGED
    assert (await device.request(message(aiocoap.GET, server, "value"))).payload == BODY
    assert value.seen[-1] == ("device-1",)


async def test_it_works_over_tcp(listen: Listen, known: OscoreKeyring) -> None:
    server = await listen(known, scheme="tcp")
    device = await listen(reaching(server), scheme="tcp")
    get = message(aiocoap.GET, server, "who", scheme="coap+tcp")
    assert (await device.request(get)).payload == b"device-1"


async def test_the_server_asks_the_device_in_the_same_context(
    listen: Listen, known: OscoreKeyring, value: Value
) -> None:
    server = await listen(known)
    remotes: list[Remote] = []
    server._responder._fast.add(aiocoap.POST, "rd", lambda request: remember(remotes, request))
    device = await listen(reaching(server))
    await device.request(message(aiocoap.POST, server, "rd"))
    assert (await server.request(ask(remotes[0], "who"))).payload == b"server"
    assert (await server.request(ask(remotes[0], "value"))).payload == b"1"
    assert value.seen == [("server",)]


def remember(remotes: list[Remote], request: FastRequest) -> FastAnswer:
    remotes.append(request.remote)
    return FastResponse(0x41)


async def test_the_server_observes_the_device(listen: Listen, known: OscoreKeyring, value: Value) -> None:
    server = await listen(known)
    device = await listen(reaching(server))
    remote = server.secured(await server.connect("coap", *device.local_address), DEVICE)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    observation = await server.observe(ask(remote, "value"), lambda response: heard.put_nowait(response.payload))
    assert observation.active
    for text in (b"2", b"3", BODY):
        value.change(text)
        assert await asyncio.wait_for(heard.get(), WAIT) == text
    await observation.cancel()
    await asyncio.wait_for(value.abandoned.wait(), WAIT)
    assert server._oscore is not None
    assert len(server._oscore._pending) == 0


async def test_an_observation_follows_the_device_to_a_new_address(
    listen: Listen, known: OscoreKeyring, value: Value
) -> None:
    """The device's datagrams come through a relay that changes its port: a NAT that forgot."""
    server = await listen(known)
    device = await listen(reaching(server))
    relay = await Relay.open(device.local_address)
    try:
        remote = server.secured(await server.connect("coap", *relay.outside), DEVICE)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        observation = await server.observe(ask(remote, "value"), lambda response: heard.put_nowait(response.payload))
        before = remote.address
        await relay.move()
        value.change(b"2")
        assert await asyncio.wait_for(heard.get(), WAIT) == b"2"
        assert remote.address != before
        assert (await server.request(ask(remote, "who"))).payload == b"server"
        observation.forget()
    finally:
        relay.close()
