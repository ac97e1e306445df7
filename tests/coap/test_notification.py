"""A confirmable notification is acknowledged when its receiver says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiocoap
import pytest

from lwm2m_ml.coap.codec import RawMessage
from lwm2m_ml.coap.numbers import ACK, CON, CONTENT, CONTENT_FORMAT, EMPTY, NON, NOT_FOUND, OBSERVE
from lwm2m_ml.coap.options import encode_uint

if TYPE_CHECKING:
    from collections.abc import Callable

    from lwm2m_ml.coap.endpoint import CoapEndpoint
    from lwm2m_ml.coap.notification import Notification
    from tests.coap.conftest import Bind, RawPeer


class Observed:
    """A resource of a hand-written peer under observation; keeps every acknowledgement back."""

    def __init__(self, peer: RawPeer, endpoint: CoapEndpoint) -> None:
        self.peer = peer
        self.endpoint = endpoint
        self.token = b""
        self.heard: list[Notification] = []
        self.releases: list[Callable[[bool], None]] = []

    def hear(self, notification: Notification) -> None:
        self.heard.append(notification)
        self.releases.append(notification.keep_back())

    def message(self, message_id: int, sequence: int, type_: int = CON, code: int = CONTENT) -> RawMessage:
        options = [(OBSERVE, encode_uint(sequence)), (CONTENT_FORMAT, b"\x70")]
        return RawMessage(type_, code, message_id, self.token, options, b"\x80")

    async def send(self, message: RawMessage) -> None:
        """Send, and wait until the endpoint has seen it: nothing but the answer to a ping may come back."""
        await self.peer.send(self.endpoint.local_address, message)
        assert await self.peer.hears_nothing(self.endpoint.local_address)


@pytest.fixture
async def observed(bind: Bind, peer: RawPeer) -> Observed:
    endpoint = await bind()
    request = aiocoap.Message(code=aiocoap.GET, observe=0)
    request.remote = endpoint.remote(*peer.address)
    observed = Observed(peer, endpoint)
    observing = asyncio.create_task(endpoint.observe(request, observed.hear))
    asked, address = await peer.receive_from()
    observed.token = asked.token
    await peer.send(address, RawMessage(ACK, CONTENT, asked.message_id, asked.token, [(OBSERVE, b"\x01")], b"1"))
    assert (await observing).active
    return observed


async def test_it_is_acknowledged_when_it_is_released_and_again_when_it_is_repeated(observed: Observed) -> None:
    notification = observed.message(900, 2)
    await observed.send(notification)
    await observed.send(notification)
    assert len(observed.heard) == 1
    observed.releases[0](True)
    acknowledged = RawMessage(ACK, EMPTY, 900)
    assert await observed.peer.receive() == acknowledged
    assert await observed.peer.ask(observed.endpoint.local_address, notification) == acknowledged
    assert len(observed.heard) == 1


async def test_one_that_is_not_accepted_is_heard_again(observed: Observed) -> None:
    notification = observed.message(901, 2)
    await observed.send(notification)
    observed.releases[0](False)
    await observed.send(notification)
    assert len(observed.heard) == 2
    observed.releases[1](True)
    assert await observed.peer.receive() == RawMessage(ACK, EMPTY, 901)


async def test_a_refusal_does_not_make_older_ones_fresh(observed: Observed) -> None:
    await observed.send(observed.message(902, 5))
    await observed.send(observed.message(903, 6))
    observed.releases[0](False)
    answer = await observed.peer.ask(observed.endpoint.local_address, observed.message(902, 5))
    assert answer == RawMessage(ACK, EMPTY, 902)
    assert [one.payload for one in observed.heard] == [b"\x80", b"\x80"]


async def test_keeping_back_what_is_never_acknowledged_does_nothing(observed: Observed) -> None:
    await observed.send(observed.message(904, 2, NON))
    observed.releases[0](True)
    assert await observed.peer.hears_nothing(observed.endpoint.local_address)


async def test_it_tells_its_format_and_whether_it_is_the_last(observed: Observed) -> None:
    await observed.send(observed.message(905, 2))
    await observed.send(observed.message(906, 3, code=NOT_FOUND))
    first, last = observed.heard
    assert (first.content_format, first.code, first.is_successful, last.is_successful) == (112, CONTENT, True, False)
    assert first.message().payload == b"\x80"
