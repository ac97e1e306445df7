"""Registering with a server that takes its time."""

import asyncio
from typing import Any, cast

from aiocoap import Message
from aiocoap.numbers import Code

from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml_simulator.client.connection import ServerConnection
from lwm2m_ml_simulator.client.registration import Registration


class SlowServer:
    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def request(self, message: Message, **_: Any) -> Message:
        self.asked.set()
        await self.answer.wait()
        return Message(code=Code.CREATED, location_path=("rd", "1"))


async def test_whoever_wants_to_send_waits_for_a_registration_that_is_under_way() -> None:
    server = SlowServer()
    registration = Registration(
        cast(ServerConnection, server),
        lambda version: RegistrationParameters(endpoint="device", lifetime=60, version=version),
        version="1.1",
        on_change=lambda: None,
    )
    assert not await registration.answered()  # nobody registers yet
    keeping = asyncio.create_task(registration.keep())
    await server.asked.wait()
    waiting = asyncio.create_task(registration.answered())
    await asyncio.sleep(0)
    assert not waiting.done()
    server.answer.set()
    assert await waiting
    keeping.cancel()
    await asyncio.wait((keeping,))
