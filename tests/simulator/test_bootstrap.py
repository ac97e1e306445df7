"""A client that knows only a bootstrap server, and what that may do with it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiocoap import Code, Message

from lwm2m_ml.coap.endpoint import CoapEndpoint
from lwm2m_ml.coap.fast import FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.lwm2m.bootstrap import (
    Account,
    Configuration,
    Step,
    bootstrap_pack,
    bootstrap_requests,
)
from lwm2m_ml.lwm2m.codecs import encode
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.discover import parse_discover
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.module.signing import SigningKey
from lwm2m_ml.module.trust_list import TrustedKey, TrustList
from lwm2m_ml_simulator.client.accounts import securities, server_accounts
from lwm2m_ml_simulator.client.client import Lwm2mClient
from lwm2m_ml_simulator.device.device_security import DeviceSecurity

Server = Any
CODES = {Step.DELETE: Code.DELETE, Step.WRITE: Code.PUT, Step.FINISH: Code.POST}


class Kept:
    def __init__(self) -> None:
        self.data: bytes | None = None

    def load(self) -> bytes | None:
        return self.data

    def save(self, accounts: bytes) -> None:
        self.data = accounts


@dataclass
class BootstrapServer:
    catalogue: Catalogue
    coap: CoapEndpoint | None = None
    device: Remote | None = None
    asked: asyncio.Queue[tuple[str, ...]] = field(default_factory=asyncio.Queue)
    pack: bytes | None = None
    pack_given: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def endpoint(self) -> CoapEndpoint:
        assert self.coap is not None
        return self.coap

    @property
    def account(self) -> Account:
        host, port = self.endpoint.local_address
        return Account(f"coap://{host}:{port}")

    def handlers(self) -> FastHandlers:
        handlers = FastHandlers()
        handlers.add(Code.POST, "bs", self._request)
        handlers.add(Code.GET, "bspack", self._pack)
        return handlers

    def _request(self, request: FastRequest) -> FastResponse:
        self.device = request.remote
        self.asked.put_nowait(request.query)
        return FastResponse(Code.CHANGED)

    def _pack(self, request: FastRequest) -> FastResponse:
        if self.pack is None:
            return FastResponse(Code.NOT_FOUND)
        self.pack_given.set()
        return FastResponse(Code.CONTENT, self.pack, content_format=112)

    async def ask(self, code: Any, path: str, payload: bytes = b"", **options: int) -> Message:
        message = Message(code=code, uri_path=tuple(part for part in path.split("/") if part), payload=payload)
        message.remote = self.device
        for name, value in options.items():
            setattr(message.opt, name, value)
        return await self.endpoint.request(message, timeout=5)

    def configuration(self, *servers: Server, lifetime: int = 500) -> Configuration:
        """Instance 0 is written like the others: with the account that the device came with."""
        accounts = tuple(
            Account(server.uri, short_server_id=100 + number, lifetime=lifetime)
            for number, server in enumerate(servers)
        )
        return Configuration((self.account, *accounts))

    async def configure(self, configuration: Configuration, content_format: int = 11542) -> list[Any]:
        codes = []
        for request in bootstrap_requests(configuration, content_format, self.catalogue):
            path = "/bs" if request.step is Step.FINISH else str(request.path)
            options = {"content_format": content_format} if request.payload else {}
            codes.append((await self.ask(CODES[request.step], path, request.payload, **options)).code)
        return codes


@pytest_asyncio.fixture
async def bootstrap(catalogue: Catalogue) -> AsyncIterator[BootstrapServer]:
    server = BootstrapServer(catalogue)
    server.coap = await CoapEndpoint.bind("127.0.0.1", 0, fast_handlers=server.handlers())
    yield server
    await server.coap.close()


@pytest.mark.parametrize("content_format", [11542, 110, 112])
async def test_registers_at_the_server_it_was_given(
    server: Server, bootstrap: BootstrapServer, content_format: int
) -> None:
    async with Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue) as client:
        assert await bootstrap.asked.get() == ("ep=new", "pct=112")
        codes = await bootstrap.configure(bootstrap.configuration(server), content_format)
        assert codes == [Code.DELETED, Code.CHANGED, Code.CHANGED, Code.CHANGED]
        await server.until_registered()
        await client.registered.wait()
        assert server.registrations[0].lifetime == 500
        assert client.server_account.short_server_id == 100
        assert (await server.ask(Code.GET, "/0/1/0")).code is Code.UNAUTHORIZED
        assert (await server.ask(Code.GET, "/21")).code is Code.UNAUTHORIZED
        assert (await server.ask(Code.PUT, "/0/1/0", b"x", content_format=0)).code is Code.UNAUTHORIZED


async def test_a_client_of_1_2_takes_a_pack(server: Server, bootstrap: BootstrapServer) -> None:
    bootstrap.pack = bootstrap_pack(bootstrap.configuration(server), 112, server.catalogue)
    async with Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue, version="1.2"):
        await server.until_registered()
    assert bootstrap.asked.empty()


async def test_a_client_of_1_2_asks_step_by_step_where_there_is_no_pack(
    server: Server, bootstrap: BootstrapServer
) -> None:
    async with Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue, version="1.2"):
        await bootstrap.asked.get()
        await bootstrap.configure(bootstrap.configuration(server))
        await server.until_registered()


async def test_a_client_of_1_0_says_no_preference(server: Server, bootstrap: BootstrapServer) -> None:
    async with Lwm2mClient("old", bootstrap.account, catalogue=server.catalogue, version="1.0"):
        assert await bootstrap.asked.get() == ("ep=old",)
        await bootstrap.configure(bootstrap.configuration(server))
        await server.until_registered()
    assert server.registrations[0].version == "1.0"


async def test_accounts_survive_a_reboot(server: Server, bootstrap: BootstrapServer) -> None:
    kept = Kept()
    for times in (1, 2):
        client = Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue, account_store=kept)
        async with client:
            if times == 1:
                await bootstrap.asked.get()
                await bootstrap.configure(bootstrap.configuration(server))
            await server.until_registered(times)
    assert bootstrap.asked.empty()


async def test_the_trigger_leads_to_another_bootstrap(server: Server, bootstrap: BootstrapServer) -> None:
    async with Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue):
        for times in (1, 2):
            await bootstrap.asked.get()
            await bootstrap.configure(bootstrap.configuration(server, lifetime=300 * times))
            await server.until_registered(times)
            assert await server.execute("/1/0/9") is Code.CHANGED
        assert server.registrations[1].lifetime == 600
        await server.until(lambda: server.deregistered == 2)


async def test_discover_read_and_delete_in_a_bootstrap(server: Server, bootstrap: BootstrapServer) -> None:
    async with Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue, version="1.1") as client:
        await bootstrap.asked.get()
        records = [Record(ObjectPath(1, 3, 0), 7), Record(ObjectPath(1, 3, 1), 60)]
        payload = encode(records, 112, ObjectPath(1), server.catalogue)
        assert (await bootstrap.ask(Code.PUT, "/1", payload, content_format=112)).code is Code.CHANGED
        answer = await bootstrap.ask(Code.GET, "/", accept=40)
        found = {str(item.path): item for item in parse_discover(answer.payload)}
        assert found["/"].protocol_version == "1.1"
        assert found["/0/0"].server_uri == bootstrap.account.uri
        assert found["/1/3"].server_id == 7
        assert (await bootstrap.ask(Code.GET, "/77", accept=40)).code is Code.NOT_FOUND
        assert (await bootstrap.ask(Code.GET, "/1/3", accept=112)).code is Code.CONTENT
        assert (await bootstrap.ask(Code.GET, "/0/0", accept=112)).code is Code.METHOD_NOT_ALLOWED
        assert (await bootstrap.ask(Code.DELETE, "/1/3")).code is Code.DELETED
        assert (await bootstrap.ask(Code.DELETE, "/1/3")).code is Code.NOT_FOUND
        assert (await bootstrap.ask(Code.DELETE, "/0")).code is Code.DELETED
        assert [account.for_bootstrap for account in securities(client.tree)] == [True]
        assert (await bootstrap.ask(Code.PUT, "/9/0", payload, content_format=112)).code is Code.BAD_REQUEST
        assert (await bootstrap.ask(Code.POST, "/bs")).code is Code.NOT_ACCEPTABLE


async def test_two_servers_are_both_registered_at(server: Server, bootstrap: BootstrapServer) -> None:
    both = bootstrap.configuration(server, server)
    async with Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue) as client:
        await bootstrap.asked.get()
        await bootstrap.configure(both)
        await server.until_registered(2)
        assert len(server_accounts(client.tree)) == 2
        record = Record(ObjectPath.parse("/3/0/0"), "x")
        await asyncio.wait_for(client.registered.wait(), 5)
        assert await client.send([record])
    assert server.deregistered == 2


@pytest.mark.parametrize("pack", [b"\xff", bytes.fromhex("81a2006630")])
async def test_what_was_there_before_stays_when_a_bootstrap_fails(
    server: Server, bootstrap: BootstrapServer, pack: bytes
) -> None:
    bootstrap.pack = pack
    async with Lwm2mClient("new", bootstrap.account, catalogue=server.catalogue, version="1.2") as client:
        await asyncio.wait_for(bootstrap.pack_given.wait(), 5)
        await asyncio.sleep(0.05)
        assert [account.server_uri for account in securities(client.tree)] == [bootstrap.account.uri]


async def test_a_trust_list_comes_with_the_bootstrap(
    server: Server, bootstrap: BootstrapServer, make_device: Any, with_profile: Any
) -> None:
    root, signer = SigningKey.generate(), SigningKey.generate()
    document = TrustList(4, (TrustedKey(signer.verification_key),)).sign(root)
    profile = with_profile(security=DeviceSecurity(bootstrap=True))
    async with make_device(profile, server_uri=bootstrap.account.uri, trust_roots=[root.verification_key]):
        await bootstrap.asked.get()
        given = bootstrap.configuration(server)
        further = (*given.further, Record(ObjectPath(42769, 0, 36), document))
        assert Code.CHANGED in await bootstrap.configure(Configuration(given.accounts, further=further))
        await server.until_registered()
        assert await server.value("/42769/0/35") == 4
        assert set((await server.read("/42769/0/24")).values()) == {signer.key_id}
