"""Two nodes as one service: devices are reached through either, move between them, and outlive a node."""

import asyncio
import gc
import secrets
import time
from pathlib import Path

import pytest
from aiocoap.numbers.codes import Code

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.server.credentials.credential import CredentialKind
from lwm2m_ml.server.errors import DeviceElsewhere, DeviceError, UnknownDevice
from lwm2m_ml.server.events import DeviceDeregistered, DeviceRegistered, Notified, RequestEnded
from lwm2m_ml.server.operations import Operation, OperationName
from lwm2m_ml.server.request_queue import RequestState
from lwm2m_ml.store import Store
from lwm2m_ml.store.changes import StoreChanged
from lwm2m_ml.store.device_requests import DeviceRequestRecord
from lwm2m_ml_simulator.cluster.nats import Nats, nats
from lwm2m_ml_simulator.cluster.process import free_port
from tests.cluster.conftest import Node, StartDevice, node_at
from tests.cluster.oscore_device import Front, oscore_device
from tests.server.conftest import ScriptedDevice, message

MANUFACTURER = ObjectPath(3, 0, 0)
TEXT = 0
PATIENCE = 60.0
Pair = tuple[Node, Node]


async def registered_at(node: Node, device_at: StartDevice) -> tuple[ScriptedDevice, str]:
    name = f"urn:dev:{secrets.token_hex(4)}"
    device = await device_at(node)
    assert (await device.register(name)).code is Code.CREATED
    return device, name


async def known_at(node: Node, name: str) -> None:
    for _ in range(int(PATIENCE / 0.05)):
        if node.server.registry.find(name) is not None:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} is not known")


async def test_a_device_is_known_at_the_other_node_and_read_through_it(pair: Pair, device_at: StartDevice) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)
    assert name in [event.endpoint for event in one.events.of(DeviceRegistered)]
    device.answers(b"ACME", TEXT)
    records = await other.server.devices.read(name, MANUFACTURER)
    assert [record.value for record in records] == ["ACME"]
    device.answers(code=Code.CHANGED)
    await other.server.devices.write(name, ObjectPath(1, 0, 1), 60)
    await other.server.devices.execute(name, ObjectPath(3, 0, 4), "0='1'")
    assert (device.last_request.code, device.last_request.payload) == (Code.POST, b"0='1'")
    assert one.cluster.ownership.has(name)
    assert not other.cluster.ownership.has(name)


async def test_its_errors_come_through_as_they_are(pair: Pair, device_at: StartDevice) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)
    device.answers(b"no such thing", code=Code.NOT_FOUND)
    with pytest.raises(DeviceError, match=r"answered Read /3/0/0 with 4\.04") as caught:
        await other.server.devices.read(name, MANUFACTURER)
    assert caught.value.code == int(Code.NOT_FOUND)
    with pytest.raises(UnknownDevice):
        await other.server.devices.read("nobody", MANUFACTURER)


async def test_what_is_observed_is_told_on_the_bus_of_both_nodes(pair: Pair, device_at: StartDevice) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)
    news: asyncio.Queue[Notified] = asyncio.Queue()
    other.bus.subscribe(Notified, news.put, everywhere=True)

    async def accept(_request: object) -> object:
        response = message(Code.CONTENT, b"20", TEXT)
        response.opt.observe = 1
        return response

    device.site.script = accept
    await other.server.devices.observe(name, ObjectPath(3, 0, 9))
    async with asyncio.timeout(PATIENCE):
        first = await news.get()
        device.notify(b"19", TEXT)
        second = await news.get()
    assert [event.records[0].value for event in (first, second)] == [20, 19]
    assert second.endpoint == name


async def test_a_device_is_served_where_its_datagrams_arrive(pair: Pair, device_at: StartDevice) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)
    device.server = other.server
    assert (await device.update()).code is Code.CHANGED
    assert other.cluster.ownership.has(name)
    assert not one.cluster.ownership.has(name)
    device.answers(b"ACME", TEXT)
    assert await other.server.devices.read(name, MANUFACTURER)
    assert await one.server.devices.read(name, MANUFACTURER)  # passed on
    with pytest.raises(DeviceElsewhere):  # the former owner sends nothing by itself any more
        await one.server.requests._devices.read(name, MANUFACTURER)
    device.server = other.server
    assert (await device.deregister()).code is Code.DELETED
    for _ in range(int(PATIENCE / 0.05)):
        if one.server.registry.find(name) is None:
            break
        await asyncio.sleep(0.05)
    assert one.server.registry.find(name) is None
    assert other.events.of(DeviceDeregistered)


async def test_queued_requests_are_done_by_the_node_that_reaches_the_device(pair: Pair, device_at: StartDevice) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)
    device.answers(b"ACME", TEXT)
    number = await other.server.requests.submit(name, Operation(OperationName.READ, (MANUFACTURER,)))
    ended = await one.events.wait(RequestEnded)
    assert (ended[0].number, ended[0].state) == (number, RequestState.DONE)
    assert (await other.server.requests.get(number)).state == RequestState.DONE


async def test_an_execute_that_a_lost_node_had_sent_is_unknown_and_not_repeated(
    pair: Pair, device_at: StartDevice
) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)
    reboot = Operation(OperationName.EXECUTE, (ObjectPath(3, 0, 4),)).to_document()
    read = Operation(OperationName.READ, (MANUFACTURER,)).to_document()
    now = time.time()
    numbers = [
        await one.store.device_requests.add(DeviceRequestRecord(name, each, RequestState.SENT, now, now + 60))
        for each in (reboot, read)
    ]
    device.answers(b"ACME", TEXT)
    device.server = other.server
    await device.update()
    await other.events.wait(RequestEnded, 2)
    states = [(await other.server.requests.get(number)).state for number in numbers]
    assert states == [RequestState.UNKNOWN, RequestState.DONE]
    assert Code.POST not in [request.code for request in device.site.requests]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_without_nats_devices_are_put_off_and_served_again_when_it_is_back(
    stores: tuple[Store, Store], tmp_path: Path, device_at: StartDevice, nats_server: Nats
) -> None:
    await without_nats(stores, tmp_path, device_at)
    gc.collect()  # the client of NATS does not close the connection that it lost: that is said here, and not later


async def without_nats(stores: tuple[Store, Store], tmp_path: Path, device_at: StartDevice) -> None:
    port = free_port()
    with nats(tmp_path / "nats", port=port) as engine:
        async with (
            node_at(engine.url, stores[0], tmp_path / "data", "one", lease=6.0) as node,
            node_at(engine.url, stores[1], tmp_path / "data", "other", lease=6.0) as other,
        ):
            device, name = await registered_at(node, device_at)
            engine.program.kill()
            for _ in range(int(PATIENCE / 0.1)):
                if not node.cluster.ownership.has(name):
                    break
                await asyncio.sleep(0.1)
            refused = await device.update()
            assert refused.code is Code.SERVICE_UNAVAILABLE
            assert refused.opt.max_age
            with pytest.raises(DeviceElsewhere):
                await node.server.devices.read(name, MANUFACTURER)
            assert [one.endpoint for one in await stores[0].registrations.some([name])] == [name]
            with nats(tmp_path / "nats", port=port):
                for _ in range(int(PATIENCE / 0.3)):
                    if (await device.update()).code is Code.CHANGED:
                        break
                    await asyncio.sleep(0.3)
                device.answers(b"ACME", TEXT)
                assert await node.server.devices.read(name, MANUFACTURER)
                _, later = await registered_at(node, device_at)
                await known_at(other, later)


async def test_who_is_let_in_at_one_node_is_at_the_other_and_who_is_not_is_not(pair: Pair) -> None:
    one, other = pair
    name = f"urn:dev:{secrets.token_hex(4)}"
    news: asyncio.Queue[StoreChanged] = asyncio.Queue()
    other.bus.subscribe(StoreChanged, news.put, everywhere=True, here=False)
    issued = await one.server.credentials.add(name, CredentialKind.PSK)
    identity = issued.credential.name
    async with asyncio.timeout(PATIENCE):
        changed = await news.get()
    assert changed.tables == ("credentials",)
    assert other.server.credentials.endpoint_of(identity) is None
    await other.server.follow(changed.tables)
    assert other.server.credentials.endpoint_of(identity) == name
    assert not other.server.credentials.may_speak_for(None, name)
    await one.server.credentials.revoke(issued.credential.id)
    async with asyncio.timeout(PATIENCE):
        await other.server.follow((await news.get()).tables)
    assert other.server.credentials.endpoint_of(identity) is None
    await one.server.credentials.forget(issued.credential.id)
    async with asyncio.timeout(PATIENCE):
        await other.server.follow((await news.get()).tables)
    assert other.server.credentials.list(name) == ()


async def test_a_package_laid_out_at_one_node_is_fetched_from_the_other(pair: Pair, device_at: StartDevice) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    content = secrets.token_bytes(3000)
    await one.store.artefacts.put(content)
    offer = await one.server.downloads.offer(content, endpoint=name)
    device.server = other.server
    fetched = await device.ask(Code.GET, ["packages", offer.token])
    assert (fetched.code, fetched.payload) == (Code.CONTENT, content)
    for _ in range(int(PATIENCE / 0.05)):
        if offer.bytes_served:
            break
        await asyncio.sleep(0.05)
    assert offer.bytes_served >= len(content)  # who laid it out knows that it was fetched
    missing = await device.ask(Code.GET, ["packages", "nothing-here"])
    assert missing.code is Code.NOT_FOUND


async def test_who_goes_on_with_a_delivery_offers_the_address_that_the_device_has(
    pair: Pair, device_at: StartDevice
) -> None:
    one, other = pair
    _, name = await registered_at(one, device_at)
    content = secrets.token_bytes(3000)
    await one.store.artefacts.put(content)
    offer = await one.server.downloads.offer(content, endpoint=name)
    await known_at(other, name)
    assert (await other.server.downloads.offer(content, endpoint=name)).uri == offer.uri


async def test_a_lasting_observation_goes_with_its_device_there_and_back(pair: Pair, device_at: StartDevice) -> None:
    one, other = pair
    device, name = await registered_at(one, device_at)
    await known_at(other, name)

    async def accept(_request: object) -> object:
        response = message(Code.CONTENT, b"20", TEXT)
        response.opt.observe = 1
        return response

    device.site.script = accept
    await one.server.devices.observe(name, ObjectPath(3, 0, 9), lasting=True)
    for times, node in enumerate((other, one, other), start=2):
        device.server = node.server
        assert (await device.update()).code is Code.CHANGED
        for _ in range(int(PATIENCE / 0.05)):
            if len(device.site.pipes) == times:
                break
            await asyncio.sleep(0.05)
        assert len(device.site.pipes) == times, "it was not observed again where it is served now"
        assert [each.active for each in node.server.devices.observed(name)] == [True]


async def test_what_a_device_said_to_the_other_node_proves_nothing_here(pair: Pair) -> None:
    one, other = pair
    name = f"urn:dev:{secrets.token_hex(4)}"
    issued = await one.server.credentials.add(name, CredentialKind.OSCORE)
    await other.server.follow({"credentials"})
    front = await Front.open(one.server.coap_address)
    async with oscore_device(front, issued.secret) as device:
        await device.register()
        await known_at(other, name)
        await front.lead_to(other.server.coap_address)
        assert await device.update() is Code.CHANGED
        said_before = len(front.heard)
        assert await device.update() is Code.CHANGED
        await front.lead_to(one.server.coap_address)
        for datagram in front.heard[said_before:]:
            front.say_again(datagram)
        await asyncio.sleep(0.5)
        assert other.cluster.ownership.has(name)
        assert not one.cluster.ownership.has(name)
        assert await device.update() is Code.CHANGED
        assert one.cluster.ownership.has(name)
    front.close()
