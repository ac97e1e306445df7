"""All peers of one transport by address: bounded, yet a peer that someone holds is never forgotten."""

from collections.abc import Callable
from weakref import WeakValueDictionary

from lwm2m_ml.coap.remote import Remote, SocketAddress


class RemoteTable:
    """Two generations of recently heard peers, and every other peer that is still in use somewhere.

    When the young generation is full it becomes the old one; peers of the old one that were not heard since are
    dropped, and vanish unless a registration, an observation or a request under way refers to them. Addresses that
    send a packet once and are never heard again therefore cost bounded memory.
    """

    __slots__ = ("_create", "_held", "_old", "_size", "_young")

    def __init__(self, create: Callable[[SocketAddress], Remote], maximum: int) -> None:
        self._create = create
        self._size = max(maximum // 2, 1)
        self._young: dict[SocketAddress, Remote] = {}
        self._old: dict[SocketAddress, Remote] = {}
        self._held: WeakValueDictionary[SocketAddress, Remote] | None = None

    def get(self, address: SocketAddress) -> Remote:
        """The peer at a socket address, created when it is new."""
        remote = self._young.get(address)
        if remote is None:
            remote = self._old.pop(address, None) or self._still_held(address) or self._create(address)
            self._add(address, remote)
        return remote

    def move(self, remote: Remote, address: SocketAddress) -> None:
        """The peer is now at another address; whoever was there before is somebody else's memory."""
        self._forget(remote.socket_address)
        self._forget(address)
        remote.socket_address = address
        self._add(address, remote)

    def _still_held(self, address: SocketAddress) -> Remote | None:
        return None if self._held is None else self._held.get(address)

    def _forget(self, address: SocketAddress) -> None:
        self._young.pop(address, None)
        self._old.pop(address, None)
        if self._held is not None:
            self._held.pop(address, None)

    def _add(self, address: SocketAddress, remote: Remote) -> None:
        if len(self._young) >= self._size:
            self._retire()
        self._young[address] = remote

    def _retire(self) -> None:
        if self._held is None:
            self._held = WeakValueDictionary()
        self._held.update(self._old)
        self._old = self._young
        self._young = {}

    def all(self) -> list[Remote]:
        """Every peer there is now."""
        return [*self._young.values(), *self._old.values(), *(() if self._held is None else self._held.values())]

    def __len__(self) -> int:
        return len(self._young) + len(self._old) + (0 if self._held is None else len(self._held))
