"""Every LwM2M operation through the API, on a device that speaks to the server over real sockets."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from lwm2m_ml.app import Running
from lwm2m_ml.client.client import AsyncClient
from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.client.schemas import ResourceValue
from lwm2m_ml.lwm2m.own_definitions import whole_catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.objects.base import Arguments, ObjectInstance, executable
from lwm2m_ml_simulator.objects.base import ResourceValue as DeviceValue

NAME = "sensor 1/a"
INITIAL: dict[int, Any] = {0: "coap://x", 1: 300, 2: True, 3: b"\x00\xff", 4: {0: "zero", 3: "three"}}


class Notes(ObjectInstance):
    """An object that the server has no definition of but the one that the test adds."""

    object_id = 32771
    version = "1.0"

    def __init__(self, instance_id: int = 0, values: dict[int, Any] | None = None) -> None:
        super().__init__(instance_id)
        self.values: dict[int, Any] = dict(INITIAL if values is None else values)
        self.executed: list[Arguments] = []

    def resources(self) -> tuple[int, ...]:
        return (*sorted(self.values), 20)

    def supports(self, operation: str, resource_id: int) -> bool:
        if operation == "execute":
            return resource_id == 20
        return resource_id in INITIAL if operation == "write" else resource_id in self.values

    def read(self, resource_id: int) -> DeviceValue | None:
        return self.values.get(resource_id)

    async def write(self, resource_id: int, value: DeviceValue) -> None:
        self.values[resource_id] = value

    @executable(20)
    def act(self, arguments: Arguments) -> None:
        self.executed.append(dict(arguments))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest_asyncio.fixture
async def device(where: Running, client: AsyncClient, notes: Notes) -> AsyncIterator[Lwm2mClient]:
    uri = (await client.health()).coap
    catalogue = whole_catalogue(Path(__file__).parent, {})
    device = Lwm2mClient(NAME, uri, [notes], lifetime=300, catalogue=catalogue)
    device.tree.allow_create(32771, lambda number: Notes(number, {}))
    async with device:
        async with asyncio.timeout(10):
            await device.registered.wait()
        yield device


def plain(values: list[ResourceValue]) -> dict[str, Any]:
    return {value.path: value.value for value in values}


async def test_read_on_every_level(client: AsyncClient, device: Lwm2mClient) -> None:
    expected = {
        "/32771/0/0": "coap://x",
        "/32771/0/1": 300,
        "/32771/0/2": True,
        "/32771/0/3": base64.b64encode(b"\x00\xff").decode(),
        "/32771/0/4/0": "zero",
        "/32771/0/4/3": "three",
    }
    for path in ("/32771", "/32771/0", "/32771/0/4", "/32771/0/4/3", "/32771/0/1"):
        parsed = ObjectPath.parse(path)
        wanted = {text: value for text, value in expected.items() if parsed.contains(ObjectPath.parse(text))}
        assert plain(await client.read(NAME, path)) == wanted


@pytest.mark.parametrize(
    ("resource", "written", "value"),
    [(0, "new", "new"), (1, 5, 5), (1, "5", 5), (2, False, False), (2, "1", True), (3, "AAE=", b"\x00\x01")],
)
async def test_write_takes_values_and_their_text(
    client: AsyncClient, device: Lwm2mClient, notes: Notes, resource: int, written: Any, value: Any
) -> None:
    await client.write(NAME, f"/32771/0/{resource}", written)
    assert notes.values[resource] == value
    assert type(notes.values[resource]) is type(value)


async def test_write_of_an_instance_and_of_a_multiple_resource(
    client: AsyncClient, device: Lwm2mClient, notes: Notes
) -> None:
    await client.write(NAME, "/32771/0", {"/32771/0/0": "new", "/32771/0/1": 7}, replace=False)
    assert (notes.values[0], notes.values[1], notes.values[2]) == ("new", 7, True)
    await client.write(NAME, "/32771/0/4", {"/32771/0/4/7": "seven"})
    assert notes.values[4] == {7: "seven"}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("/32771/0/1", "many", "/32771/0/1"),
        ("/32771/0/1", 1.5, "must be Integer"),
        ("/32771/0/3", "***", "/32771/0/3"),
        ("/32771/0/20", 1, "does not allow write"),
        ("/32771/0/4", "x", "has instances"),
        ("/32771/0/1/0/0", 1, "not a path"),
        ("/0/0/0", "coap://x", "bootstrap"),
    ],
)
async def test_a_value_that_does_not_fit_is_refused_before_it_is_sent(
    client: AsyncClient, device: Lwm2mClient, path: str, value: Any, says: str
) -> None:
    with pytest.raises(ApiError, match=says) as caught:
        await client.write(NAME, path, value)
    assert caught.value.status == 422


async def test_a_value_beside_the_path_is_refused(client: AsyncClient, device: Lwm2mClient) -> None:
    with pytest.raises(ApiError, match="not part of /32771/0") as caught:
        await client.write(NAME, "/32771/0", {"/3/0/15": "UTC"})
    assert caught.value.status == 400


async def test_what_a_device_refuses_is_a_problem_with_its_code(
    client: AsyncClient, device: Lwm2mClient, http: httpx.AsyncClient, where: Running
) -> None:
    headers = {"Authorization": f"Bearer {where.first_token}"}
    answer = await http.get(f"/api/v1/devices/{NAME.replace('/', '%252F')}/lwm2m/3/9", headers=headers)
    assert answer.status_code == 502
    assert answer.json()["device_code"] == "4.04"


async def test_execute_passes_arguments(client: AsyncClient, device: Lwm2mClient, notes: Notes) -> None:
    await client.execute(NAME, "/32771/0/20", "0='a',1")
    assert notes.executed == [{0: "a", 1: None}]


@pytest.mark.parametrize(("path", "arguments"), [("/32771/0/0", ""), ("/32771/0", ""), ("/32771/0/20", "0=a")])
async def test_what_cannot_be_executed_is_refused(
    client: AsyncClient, device: Lwm2mClient, path: str, arguments: str
) -> None:
    with pytest.raises(ApiError) as caught:
        await client.execute(NAME, path, arguments)
    assert caught.value.status == 422


async def test_discover_and_attributes(client: AsyncClient, device: Lwm2mClient) -> None:
    await client.write_attributes(NAME, "/32771/0/1", {"pmin": 10, "gt": 5.5})
    links = {link.path: link.attributes for link in await client.discover(NAME, "/32771/0")}
    assert links["/32771/0/1"] == {"pmin": "10", "gt": "5.5"}
    assert "/32771/0/20" in links
    await client.write_attributes(NAME, "/32771/0/1", clear=["pmin", "gt"])
    links = {link.path: link.attributes for link in await client.discover(NAME, "/32771/0/1")}
    assert links["/32771/0/1"] == {}


async def test_attributes_that_contradict_their_path_are_refused(client: AsyncClient, device: Lwm2mClient) -> None:
    with pytest.raises(ApiError, match="gt does not fit") as caught:
        await client.write_attributes(NAME, "/32771/0/0", {"gt": 1})
    assert caught.value.status == 422


async def test_create_and_delete(client: AsyncClient, device: Lwm2mClient) -> None:
    assert await client.create(NAME, "/32771", {"1": 5, "4/2": "two"}, instance=7) == "/32771/7"
    assert plain(await client.read(NAME, "/32771/7")) == {"/32771/7/1": 5, "/32771/7/4/2": "two"}
    assert await client.create(NAME, "/32771", {"1": "6"}) == "/32771/1"
    assert await client.create(NAME, "/32771") == "/32771/2"
    assert await client.create(NAME, "/32771", instance=9) == "/32771/9"
    for made in ("/32771/7", "/32771/1", "/32771/2", "/32771/9"):
        await client.delete(NAME, made)
    with pytest.raises(ApiError, match=r"4\.04"):
        await client.read(NAME, "/32771/7")


async def test_composites(client: AsyncClient, device: Lwm2mClient, notes: Notes) -> None:
    await client.write_composite(NAME, {"/32771/0/0": "both", "/32771/0/1": "9"})
    assert (notes.values[0], notes.values[1]) == ("both", 9)
    read = plain(await client.read_composite(NAME, ["/32771/0/0", "/32771/0/1", "/3/0/0", "/3/9"]))
    assert read == {"/32771/0/0": "both", "/32771/0/1": 9, "/3/0/0": "lwm2m-ml"}


@pytest.mark.parametrize("paths", [["/32771/0/1"], ["/32771/0/1", "/3/0/0"]])
async def test_observe_streams_until_the_client_leaves(
    client: AsyncClient, device: Lwm2mClient, notes: Notes, paths: list[str]
) -> None:
    stream = client.observe(NAME, *paths)
    async with asyncio.timeout(10):
        assert plain(await anext(stream))["/32771/0/1"] == 300
        notes.values[1] = 301
        device.notify("/32771/0/1")
        assert plain(await anext(stream))["/32771/0/1"] == 301
        await stream.aclose()  # type: ignore[attr-defined]


async def test_two_watch_the_same_and_one_leaves(client: AsyncClient, device: Lwm2mClient, notes: Notes) -> None:
    async with asyncio.timeout(10):
        first, second = client.observe(NAME, "/32771/0/1"), client.observe(NAME, "/32771/0/1")
        await anext(first)
        await anext(second)
        await first.aclose()  # type: ignore[attr-defined]
        notes.values[1] = 302
        device.notify("/32771/0/1")
        assert plain(await anext(second)) == {"/32771/0/1": 302}
        await second.aclose()  # type: ignore[attr-defined]


async def test_a_stream_ends_when_the_device_leaves(client: AsyncClient, device: Lwm2mClient) -> None:
    async with asyncio.timeout(10):
        stream = client.observe(NAME, "/32771/0/1")
        await anext(stream)
        await device.stop()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_stream_goes_on_when_the_device_registers_anew(
    client: AsyncClient, device: Lwm2mClient, notes: Notes
) -> None:
    async with asyncio.timeout(20):
        stream = client.observe(NAME, "/32771/0/1")
        await anext(stream)
        await device.stop(deregister=False)
        notes.values[1] = 400
        await device.start()
        assert plain(await anext(stream)) == {"/32771/0/1": 400}
        await stream.aclose()  # type: ignore[attr-defined]


async def test_what_cannot_be_observed_is_an_error_and_no_stream(client: AsyncClient, device: Lwm2mClient) -> None:
    with pytest.raises(ApiError, match=r"4\.04") as caught:
        await anext(client.observe(NAME, "/32771/9"))
    assert caught.value.status == 502


async def ended(client: AsyncClient, number: int) -> Any:
    async with asyncio.timeout(10):
        while (request := await client.request(number)).state in {"waiting", "sent"}:  # noqa: ASYNC110 - HTTP
            await asyncio.sleep(0.01)
    return request


async def test_an_operation_can_be_left_to_the_queue(client: AsyncClient, device: Lwm2mClient, notes: Notes) -> None:
    values = {"/32771/0/0": "later", "/32771/0/1": "8"}
    made = await client.queue(NAME, "write", paths=["/32771/0"], values=values, replace=False)
    assert (await ended(client, made.number)).state == "done"
    assert (notes.values[0], notes.values[1]) == ("later", 8)
    made = await client.queue(NAME, "read", paths=["/32771/0/1"])
    assert plain((await ended(client, made.number)).values) == {"/32771/0/1": 8}
    made = await client.queue(NAME, "execute", paths=["/32771/0/20"], arguments="0='a'")
    assert (await ended(client, made.number)).state == "done"
    assert notes.executed == [{0: "a"}]
    made = await client.queue(NAME, "read", paths=["/32771/9"])
    failed = await ended(client, made.number)
    assert (failed.state, "4.04" in failed.error) == ("failed", True)
    assert [one.operation for one in await client.requests(NAME)] == ["write", "read", "execute", "read"]


async def test_a_queued_operation_is_checked_when_it_is_queued(client: AsyncClient, device: Lwm2mClient) -> None:
    with pytest.raises(ApiError) as caught:
        await client.queue(NAME, "write", paths=["/32771/0"], values={"/32771/0/1": "many"})
    assert caught.value.status == 422
    with pytest.raises(ApiError) as caught:
        await client.queue(NAME, "execute", paths=["/32771/0/20"], arguments="0=a")
    assert caught.value.status == 422


async def test_only_what_waits_can_be_cancelled(client: AsyncClient, device: Lwm2mClient) -> None:
    made = await client.queue(NAME, "read", paths=["/3/0/0"])
    await ended(client, made.number)
    with pytest.raises(ApiError) as caught:
        await client.cancel_request(made.number)
    assert caught.value.status == 409
    with pytest.raises(ApiError) as caught:
        await client.request(made.number + 1)
    assert caught.value.status == 404


async def test_who_waits_for_a_sleeping_device_is_told_after_a_while(
    client: AsyncClient, device: Lwm2mClient, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(_resource_id: int, _arguments: Arguments) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(notes, "execute", sleep)
    monkeypatch.setattr("lwm2m_ml.service.devices.PATIENCE_SECONDS", 0.2)
    with pytest.raises(ApiError, match="Queue the operation") as caught:
        await client.execute(NAME, "/32771/0/20")
    assert caught.value.status == 504


async def test_every_operation_on_an_unknown_device_is_404(client: AsyncClient) -> None:
    calls = (
        client.write("nobody", "/3/0/15", "UTC"),
        client.execute("nobody", "/3/0/4"),
        client.discover("nobody", "/3"),
        client.create("nobody", "/3"),
        client.delete("nobody", "/3/0"),
        client.write_attributes("nobody", "/3", {"pmin": 1}),
        client.read_composite("nobody", ["/3"]),
        client.write_composite("nobody", {"/3/0/15": "UTC"}),
        client.queue("nobody", "read", paths=["/3"]),
        anext(client.observe("nobody", "/3")),
    )
    for call in calls:
        with pytest.raises(ApiError) as caught:
            await call
        assert caught.value.status == 404
