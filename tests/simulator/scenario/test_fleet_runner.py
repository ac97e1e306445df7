from typing import Any

import numpy

from lwm2m_ml_simulator.scenario.fleet import FleetDescription
from lwm2m_ml_simulator.scenario.fleet_runner import FleetRunner

Server = Any


def fleet(with_profile: Any, count: int) -> FleetDescription:
    return FleetDescription("test", tuple(with_profile(endpoint=f"mcu-{number}") for number in range(count)))


def readings(profile: Any) -> list[Any]:
    return [numpy.zeros(4, dtype=numpy.float32)] * 3


async def test_all_devices_join_register_and_leave(server: Server, with_profile: Any, modules: Any) -> None:
    anchors = [modules.key.verification_key]
    runner = FleetRunner(fleet(with_profile, 20), server.uri, readings, anchors, catalogue=server.catalogue)
    async with runner:
        await runner.all_joined()
        assert runner.joined == 20
        await server.until_registered(20)
        names = {registration.endpoint for registration in server.registrations}
        assert names == set(runner.devices)
    assert server.deregistered == 20
    assert (runner.joined, runner.registered) == (0, 0)


async def test_devices_leave_each_other_the_ports_they_had(server: Server, with_profile: Any, modules: Any) -> None:
    anchors = [modules.key.verification_key]
    runner = FleetRunner(fleet(with_profile, 3), server.uri, readings, anchors, catalogue=server.catalogue)
    first, *others = runner.devices.values()
    async with runner:
        await server.until_registered(3)
        assert first.client is not None
        address = first.client.coap.local_address
        await first.stop()
        assert not any(other.radio.ports.take(address, other.radio) for other in others)


async def test_devices_join_one_after_the_other(server: Server, with_profile: Any, modules: Any) -> None:
    runner = FleetRunner(
        fleet(with_profile, 3),
        server.uri,
        readings,
        [modules.key.verification_key],
        join_interval=0.2,
        catalogue=server.catalogue,
    )
    async with runner:
        await server.until_registered()
        assert runner.joined == 1
        await runner.all_joined()
        await server.until_registered(3)
        assert [registration.endpoint for registration in server.registrations] == list(runner.devices)


async def test_a_fleet_that_is_stopped_early_switches_on_no_more(
    server: Server, with_profile: Any, modules: Any
) -> None:
    runner = FleetRunner(
        fleet(with_profile, 5),
        server.uri,
        readings,
        [modules.key.verification_key],
        join_interval=60,
        catalogue=server.catalogue,
    )
    async with runner:
        await server.until_registered()
    assert len(server.registrations) == 1


async def test_all_devices_share_one_pool_of_cpus(server: Server, with_profile: Any, modules: Any) -> None:
    runner = FleetRunner(
        fleet(with_profile, 3),
        server.uri,
        readings,
        [modules.key.verification_key],
        workers=1,
        catalogue=server.catalogue,
    )
    async with runner:
        await runner.all_joined()
        await server.until_registered(3)
        pools = {id(device.firmware.modules.machine._pool) for device in runner.devices.values() if device.firmware}
    assert len(pools) == 1
