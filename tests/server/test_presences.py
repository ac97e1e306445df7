"""Who is awake."""

import asyncio
from collections.abc import Callable
from typing import Any

from lwm2m_ml.lwm2m.registration import RegistrationParameters
from lwm2m_ml.server.presences import Presences
from lwm2m_ml.server.registration import Registration


def registration(*, queue_mode: bool) -> Registration:
    remote: Any = None
    return Registration("dev", "x", RegistrationParameters("dev", queue_mode=queue_mode), None, remote, 0.0, 0.0)


SLEEPY, WAKEFUL = registration(queue_mode=True), registration(queue_mode=False)


async def test_a_device_without_queue_mode_is_always_awake() -> None:
    presences = Presences(awake_seconds=0.0)
    assert presences.awake(WAKEFUL)
    presences.silent(WAKEFUL)
    assert presences.awake(WAKEFUL)


async def test_a_device_in_queue_mode_is_awake_for_a_while_after_it_was_heard() -> None:
    presences = Presences(awake_seconds=0.02)
    assert not presences.awake(SLEEPY)
    presences.heard(SLEEPY)
    assert presences.awake(SLEEPY)
    await asyncio.sleep(0.03)
    assert not presences.awake(SLEEPY)


async def test_silence_means_sleep() -> None:
    presences = Presences(awake_seconds=10.0)
    presences.heard(SLEEPY)
    presences.silent(SLEEPY)
    assert not presences.awake(SLEEPY)
    presences.heard(SLEEPY)
    assert presences.awake(SLEEPY)


async def test_everyone_who_waits_is_woken_when_the_device_is_heard_or_leaves() -> None:
    presences = Presences(awake_seconds=10.0)
    wakers: tuple[Callable[[], None], ...] = (lambda: presences.heard(SLEEPY), lambda: presences.left("dev"))
    for wake in wakers:
        waiting = [asyncio.create_task(presences.until_heard("dev")) for _ in range(3)]
        await asyncio.sleep(0)
        wake()
        await asyncio.wait_for(asyncio.gather(*waiting), 1)
