"""Object 5 as of 1.2 on a device: how it takes packages, deferral, severity, cancel, and addresses over HTTP."""

import asyncio
import dataclasses
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiocoap import Code

from lwm2m_ml.lwm2m.firmware_update import DeliveryMethod, Severity, State, UpdateResult
from lwm2m_ml.module.results import ModuleState
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.device.profile import DeliveryObject, DeviceProfile
from lwm2m_ml_simulator.modules.fetching import FetchSettings

MakeDevice = Callable[..., SimulatedDevice]
WithProfile = Callable[..., DeviceProfile]
BY_FIRMWARE_UPDATE = {"delivery": DeliveryObject.FIRMWARE_UPDATE, "version": "1.2"}


async def downloaded(server: Any, package: bytes) -> None:
    server.packages["m"] = package
    assert await server.write("/5/0/1", server.package_uri("m")) is Code.CHANGED
    await server.poll("/5/0/3", State.DOWNLOADED)


@pytest.mark.parametrize("method", list(DeliveryMethod))
async def test_it_takes_packages_only_as_it_says(
    server: Any, make_device: MakeDevice, modules: Any, with_profile: WithProfile, method: DeliveryMethod
) -> None:
    profile = with_profile(**BY_FIRMWARE_UPDATE, delivery_method=method)
    async with make_device(profile):
        await server.until_registered()
        assert await server.value("/5/0/9") == method
        pulled = await server.write("/5/0/1", "")
        pulled = await server.write("/5/0/1", server.package_uri("nothing"))
        assert (pulled is Code.CHANGED) == (method is not DeliveryMethod.PUSH)
        await server.write("/5/0/1", "")
        pushed = await server.write("/5/0/0", modules.package(profile, 1))
        assert (pushed is Code.CHANGED) == (method is not DeliveryMethod.PULL)


async def test_a_user_defers_for_as_long_as_he_may(
    server: Any, make_device: MakeDevice, modules: Any, with_profile: WithProfile
) -> None:
    profile = with_profile(**BY_FIRMWARE_UPDATE, defers_updates=100.0)
    async with make_device(profile):
        await server.until_registered()
        await downloaded(server, modules.package(profile, 1))
        assert await server.write("/5/0/13", 1) is Code.CHANGED
        assert await server.execute("/5/0/2") is Code.CHANGED
        assert await server.value("/5/0/5") == UpdateResult.DEFERRED
        assert await server.value("/5/0/3") == State.DOWNLOADED
        await server.until_registered(2)
        assert await server.value("/5/0/5") == UpdateResult.SUCCESS
        assert await server.value("/42770/0/11") == ModuleState.TRIAL


@pytest.mark.parametrize(("severity", "allowed"), [(Severity.CRITICAL, 100), (Severity.OPTIONAL, 0)])
async def test_a_critical_update_or_one_without_leave_is_not_deferred(
    server: Any, make_device: MakeDevice, modules: Any, with_profile: WithProfile, severity: Severity, allowed: int
) -> None:
    profile = with_profile(**BY_FIRMWARE_UPDATE, defers_updates=100.0)
    async with make_device(profile):
        await server.until_registered()
        await downloaded(server, modules.package(profile, 1))
        await server.write("/5/0/11", int(severity))
        await server.write("/5/0/13", allowed)
        await server.execute("/5/0/2")
        await server.until_registered(2)
        assert await server.value("/5/0/5") == UpdateResult.SUCCESS


async def test_cancel_ends_a_deferred_update_too(
    server: Any, make_device: MakeDevice, modules: Any, with_profile: WithProfile
) -> None:
    profile = with_profile(**BY_FIRMWARE_UPDATE, defers_updates=0.3)
    async with make_device(profile) as device:
        await server.until_registered()
        await downloaded(server, modules.package(profile, 1))
        await server.write("/5/0/13", 100)
        await server.execute("/5/0/2")
        assert await server.execute("/5/0/10") is Code.CHANGED
        assert await server.value("/5/0/5") == UpdateResult.CANCELLED
        assert await server.value("/5/0/3") == State.IDLE
        await asyncio.sleep(0.4)
        assert device.boots == 1


@pytest.fixture
def shop() -> Iterator[Any]:
    """An HTTP server that breaks off after 700 bytes the first time, and knows ranges."""
    content: dict[str, bytes] = {}
    asked: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            package, wanted = content.get(self.path), self.headers.get("Range")
            asked.append(wanted)
            if package is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", '"e"')
            self.send_header("Content-Length", str(len(package) - start))
            self.end_headers()
            self.wfile.write(package[start : 700 if len(asked) == 1 else None])
            self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", content, asked
        running.shutdown()
        thread.join()


async def test_a_package_over_http_goes_on_at_the_byte_where_the_connection_broke(
    server: Any, make_device: MakeDevice, modules: Any, with_profile: WithProfile, shop: Any
) -> None:
    root, content, asked = shop
    fetch = FetchSettings(block_bytes=128, pause=0.01, http=True)
    profile = with_profile(**BY_FIRMWARE_UPDATE, fetch=fetch)
    content["/m"] = modules.package(profile, 1)
    async with make_device(profile):
        await server.until_registered()
        assert {2, 3} <= set((await server.read("/5/0/8")).values())
        assert await server.write("/5/0/1", f"{root}/m") is Code.CHANGED
        await server.poll("/5/0/3", State.DOWNLOADED)
        assert asked[0] is None
        assert asked[1] is not None
        assert 0 < int(asked[1].removeprefix("bytes=").rstrip("-")) <= 700
        assert await server.write("/5/0/1", "") is Code.CHANGED
        assert await server.write("/5/0/1", f"{root}/nothing") is Code.CHANGED
        await server.poll("/5/0/5", UpdateResult.INVALID_URI)


async def test_without_http_such_an_address_is_an_unsupported_protocol(
    server: Any, make_device: MakeDevice, with_profile: WithProfile
) -> None:
    async with make_device(with_profile(**BY_FIRMWARE_UPDATE)):
        await server.until_registered()
        await server.write("/5/0/1", "http://127.0.0.1/m")
        await server.poll("/5/0/5", UpdateResult.UNSUPPORTED_PROTOCOL)


async def test_a_windowed_fetch_asks_for_many_blocks_at_once(
    server: Any, make_device: MakeDevice, modules: Any, with_profile: WithProfile
) -> None:
    plain = with_profile(fetch=FetchSettings(block_bytes=256))
    windowed = dataclasses.replace(plain, fetch=FetchSettings(block_bytes=256, windowed=True))
    sent = []
    for times, profile in enumerate((plain, windowed), start=1):
        server.packages["m"] = modules.package(profile, 1)
        async with make_device(profile) as device:
            await server.until_registered(times)
            before = device.radio.figures.datagrams_out
            await server.write("/9/0/3", server.package_uri("m"))
            await server.poll("/42770/0/11", ModuleState.STAGED)
            sent.append(device.radio.figures.datagrams_out - before)
    assert sent[1] < sent[0]
