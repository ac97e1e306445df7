"""A relay of datagrams whose outer port changes: a NAT that forgot."""

import asyncio
from typing import Any


class Relay(asyncio.DatagramProtocol):
    """Carries datagrams between the first who sends here and one device; can change its outer port."""

    def __init__(self, device: tuple[str, int]) -> None:
        self.device = device
        self.server: Any = None
        self.outer: Any = None
        self.inner: Any = None

    @classmethod
    async def open(cls, device: tuple[str, int]) -> "Relay":
        relay = cls(device)
        await relay.move()
        loop = asyncio.get_running_loop()
        relay.inner, _ = await loop.create_datagram_endpoint(
            lambda: Inner(relay), local_addr=("127.0.0.1", 0), remote_addr=device
        )
        return relay

    async def move(self) -> None:
        old = self.outer
        loop = asyncio.get_running_loop()
        self.outer, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        if old is not None:
            old.close()

    @property
    def outside(self) -> tuple[str, int]:
        host, port = self.outer.get_extra_info("sockname")
        return host, port

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.server = addr
        self.inner.sendto(data)

    def close(self) -> None:
        self.outer.close()
        self.inner.close()


class Inner(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.relay.outer.sendto(data, self.relay.server)
