"""What events do to devices: one function for each action, and one that takes it back where it only lasts a while."""

import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lwm2m_ml.errors import UsageError
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.inputs.stream import SensorStream
from lwm2m_ml_simulator.scenario.events import Action, Event
from lwm2m_ml_simulator.scenario.participant import Participant

Undo = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Hit:
    """One device that an event hits; `source` decides what is left to chance."""

    event: Event
    device: Participant
    stream: SensorStream | None
    source: random.Random


async def carry_out(hit: Hit) -> Undo | None:
    """Do it; returns how it is taken back, where that is possible."""
    return await _ACTIONS[hit.event.action](hit)


async def _reboot(hit: Hit) -> None:
    if hit.device.is_on:
        hit.device.reboot()


async def _power_cut(hit: Hit) -> None:
    """The device comes back by itself when the power does."""
    if hit.device.is_on:
        hit.device.cut_power(hit.event.lasting)


async def _leave(hit: Hit) -> Undo | None:
    return await _switch_off(hit, deregister=True)


async def _vanish(hit: Hit) -> Undo | None:
    return await _switch_off(hit, deregister=False)


async def _switch_off(hit: Hit, *, deregister: bool) -> Undo | None:
    if not hit.device.is_on:
        return None
    await hit.device.stop(deregister=deregister)

    async def undo() -> None:
        await _return(hit)

    return undo


async def _return(hit: Hit) -> None:
    if not hit.device.is_on:
        await hit.device.start()


async def _move(hit: Hit) -> None:
    """A new address, of which the device knows: it tells the server at once."""
    client = hit.device.client
    if client is not None:
        await _change_port(client, _another_host(client, hit.source))
        client.update()


async def _rebind(hit: Hit) -> None:
    """A new port, of which the device does not know."""
    client = hit.device.client
    if client is not None:
        await _change_port(client, None)


async def _change_port(client: Lwm2mClient, host: str | None) -> None:
    # A device that has just been switched on has no port yet, and so none to change.
    with contextlib.suppress(UsageError):
        await client.coap.change_port(host)


def _another_host(client: Lwm2mClient, source: random.Random) -> str | None:
    """Return another address of the loopback network; where there is a real one, only the port can change."""
    with contextlib.suppress(UsageError):
        if client.coap.local_address[0].startswith("127."):
            return f"127.{source.randrange(1, 255)}.{source.randrange(256)}.{source.randrange(1, 255)}"
    return None


async def _network(hit: Hit) -> Undo:
    before, hit.device.radio.conditions = hit.device.radio.conditions, hit.event.conditions

    async def undo() -> None:
        hit.device.radio.conditions = before

    return undo


async def _drift(hit: Hit) -> Undo | None:
    stream = hit.stream
    if stream is None:
        return None
    before, stream.drift = stream.drift, hit.event.drift

    async def undo() -> None:
        stream.drift = before

    return undo


async def _clock(hit: Hit) -> None:
    hit.device.clock.skew = hit.event.clock_skew


async def _bit_rot(hit: Hit) -> None:
    if isinstance(hit.device, SimulatedDevice):
        hit.device.rot(hit.source)


async def _claim(hit: Hit) -> None:
    hit.device.claims.update(hit.event.claims)


_ACTIONS: dict[Action, Callable[[Hit], Awaitable[Undo | None]]] = {
    Action.REBOOT: _reboot,
    Action.POWER_CUT: _power_cut,
    Action.LEAVE: _leave,
    Action.VANISH: _vanish,
    Action.RETURN: _return,
    Action.MOVE: _move,
    Action.REBIND: _rebind,
    Action.NETWORK: _network,
    Action.DRIFT: _drift,
    Action.CLOCK: _clock,
    Action.BIT_ROT: _bit_rot,
    Action.CLAIM: _claim,
}
