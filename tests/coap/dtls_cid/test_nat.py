"""A real NAT: the kernel's, between network namespaces, made to forget. Needs root, `ip`, `nft` and `conntrack`."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiocoap
import pytest
import pytest_asyncio

from lwm2m_ml.coap.dtls import PreSharedKey, ServerCredential

if TYPE_CHECKING:
    from lwm2m_ml.coap import CoapEndpoint
    from lwm2m_ml.coap.dtls_cid.transport import CidTransport
    from tests.coap.conftest import Store
    from tests.coap.dtls_cid.conftest import Listen, Value

    Transports = Callable[[CoapEndpoint], CidTransport]

KEY = b"0123456789abcdef"
BODY = bytes(range(256)) * 20
CLONE_NEWNET = 0x40000000
DEVICE, INSIDE, OUTSIDE, SERVER = "10.213.1.2", "10.213.1.1", "10.213.2.1", "10.213.2.2"
PATIENCE = 20


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


@dataclass(frozen=True)
class Network:
    """Device and server, each in a namespace, and a third that translates between them."""

    name: str

    def namespace(self, who: str) -> str:
        return f"{self.name}-{who}"

    def at(self, who: str, *command: str) -> None:
        run("ip", "netns", "exec", self.namespace(who), *command)

    def build(self) -> None:
        for who in ("device", "nat", "server"):
            run("ip", "netns", "add", self.namespace(who))
        for who, theirs, ours in (("device", DEVICE, INSIDE), ("server", SERVER, OUTSIDE)):
            run("ip", "link", "add", "up0", "netns", self.namespace(who), "type", "veth",
                "peer", "name", f"to-{who}", "netns", self.namespace("nat"))  # fmt: skip
            self.at(who, "ip", "addr", "add", f"{theirs}/24", "dev", "up0")
            self.at(who, "ip", "link", "set", "up0", "up")
            self.at("nat", "ip", "addr", "add", f"{ours}/24", "dev", f"to-{who}")
            self.at("nat", "ip", "link", "set", f"to-{who}", "up")
        self.at("device", "ip", "route", "add", "default", "via", INSIDE)
        self.at("nat", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.at("nat", "nft", "add table ip nat")
        self.at("nat", "nft", "add chain ip nat post { type nat hook postrouting priority 100 ; }")
        self.at("nat", "nft", "add rule ip nat post oifname to-server masquerade fully-random")

    def remove(self) -> None:
        for who in ("device", "nat", "server"):
            with contextlib.suppress(subprocess.CalledProcessError):
                run("ip", "netns", "del", self.namespace(who))

    async def forget(self) -> None:
        """The NAT loses its bindings, as after a minute of silence or a reboot."""
        await asyncio.to_thread(self.at, "nat", "conntrack", "-F")

    @contextlib.contextmanager
    def inside(self, who: str) -> Iterator[None]:
        """Sockets that are made meanwhile belong to this namespace."""
        library = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net") as home, open(f"/run/netns/{self.namespace(who)}") as there:
            assert library.setns(there.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert library.setns(home.fileno(), CLONE_NEWNET) == 0


@pytest.fixture
def network() -> Iterator[Network]:
    for tool in ("ip", "nft", "conntrack"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: iproute2, nftables, conntrack)")
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    network = Network(f"nat{os.getpid() % 10_000}")
    try:
        network.build()
    except subprocess.CalledProcessError as error:
        network.remove()
        pytest.skip(f"this kernel makes no NAT between namespaces: {error.stderr.decode()[-200:]}")
    yield network
    network.remove()


@dataclass
class Ends:
    """Server and device, with what the server calls the device."""

    server: CoapEndpoint
    device: CoapEndpoint
    transport: CidTransport

    @property
    def peer(self) -> Any:
        (peer,) = self.transport._peers.all()
        return peer

    async def ask(self, path: str) -> bytes:
        request = self.request(path)
        answer: bytes = (await asyncio.wait_for(self.device.request(request), PATIENCE)).payload
        return answer

    def request(self, path: str) -> aiocoap.Message:
        return aiocoap.Message(code=aiocoap.GET, uri=f"coaps://{SERVER}:{self.server.local_address[1]}/{path}")


@pytest_asyncio.fixture
async def ends(network: Network, listen: Listen, store: Store, transports: Transports) -> AsyncIterator[Ends]:
    store.keys["device-1"] = KEY
    with network.inside("server"):
        server = await listen(store, host=SERVER)
    with network.inside("device"):
        device = await listen(type(store)(credential=ServerCredential(PreSharedKey("device-1", KEY))), host=DEVICE)
    yield Ends(server, device, transports(server))


async def test_a_session_survives_the_kernels_nat(network: Network, ends: Ends) -> None:
    assert await ends.ask("who") == b"psk:device-1"
    first = ends.peer
    host, before = first.address
    assert host == OUTSIDE, "the server sees the NAT, not the device"
    await network.forget()
    assert await ends.ask("who") == b"psk:device-1"
    assert ends.peer is first, "no other handshake"
    assert first.address[1] != before


async def test_observations_both_ways_survive(network: Network, ends: Ends, value: Value) -> None:
    await ends.ask("who")
    by_device: asyncio.Queue[bytes] = asyncio.Queue()
    by_server: asyncio.Queue[bytes] = asyncio.Queue()
    request = ends.request("value")
    request.opt.observe = 0
    observation = await ends.device.observe(request, lambda answer: by_device.put_nowait(answer.payload))
    request = aiocoap.Message(code=aiocoap.GET, uri_path=("value",), observe=0)
    request.remote = ends.peer
    other = await ends.server.observe(request, lambda answer: by_server.put_nowait(answer.payload))
    for number in range(2):
        await network.forget()
        value.change(b"%d" % number)  # the device notifies from a new binding, and so the server knows it again
        assert await asyncio.wait_for(by_server.get(), PATIENCE) == value.value
        assert await asyncio.wait_for(by_device.get(), PATIENCE) == value.value
    observation.forget()
    other.forget()


async def test_a_running_block_transfer_survives(network: Network, ends: Ends) -> None:
    await ends.ask("who")
    first, ports, forgotten = ends.peer, set(), 0
    transfer = asyncio.create_task(ends.ask("slow"))
    while not transfer.done():
        await network.forget()
        forgotten += 1
        ports.add(first.address[1])
        await asyncio.sleep(0.02)
    assert await transfer == BODY
    assert forgotten > 2
    assert len(ports) > 1
    assert ends.peer is first
