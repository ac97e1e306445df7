"""The wall clock is set by hours: nodes keep their leases, and none takes a device that another one serves."""

import asyncio
from collections.abc import Callable

import pytest
from aiocoap.numbers.codes import Code

from tests.cluster.conftest import Node, StartDevice
from tests.cluster.test_nodes import known_at, registered_at
from tests.server.conftest import LIMITS

HOURS = 6 * 3_600.0


@pytest.mark.parametrize("jump", [HOURS, -HOURS])
async def test_devices_stay_with_their_node(
    pair: tuple[Node, Node], device_at: StartDevice, set_clock: Callable[[float], None], jump: float
) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)
    set_clock(jump)
    await other.cluster._resync()  # it reads how old each registration is, by the clock that was set
    await asyncio.sleep(3 * LIMITS.lifetime_grace)
    assert one.cluster.ownership.has(name)
    assert not other.cluster.ownership.has(name)
    assert all(node.server.registry.find(name) is not None for node in pair)
    assert (await device.update()).code is Code.CHANGED
    device.server = other.server
    assert (await device.update()).code is Code.CHANGED
    assert other.cluster.ownership.has(name)
