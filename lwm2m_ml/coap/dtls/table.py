"""The sessions of a DTLS socket, within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls.credentials import Granted
    from lwm2m_ml.coap.dtls.session import DtlsSession
    from lwm2m_ml.coap.remote import SocketAddress


class SessionTable:
    """Established and pending sessions by address; the least recently used give way."""

    __slots__ = ("_by_handle", "_established", "_granted", "_maximum", "_maximum_pending", "_pending")

    def __init__(self, maximum: int, maximum_pending: int) -> None:
        self._maximum = maximum
        self._maximum_pending = maximum_pending
        self._established: dict[SocketAddress, DtlsSession] = {}
        self._pending: dict[SocketAddress, DtlsSession] = {}
        self._by_handle: dict[int, DtlsSession] = {}
        self._granted: dict[bytes, Granted] = {}

    def by_handle(self, handle: int) -> DtlsSession | None:
        """The session of an OpenSSL connection."""
        return self._by_handle.get(handle)

    def established(self, address: SocketAddress) -> DtlsSession | None:
        """The session in use at an address."""
        return self._established.get(address)

    def pending(self, address: SocketAddress) -> DtlsSession | None:
        """The session whose handshake is under way at an address."""
        return self._pending.get(address)

    def of(self, address: SocketAddress, *, handshake: bool) -> DtlsSession | None:
        """The session that a record from this address is meant for."""
        established = self._established.get(address)
        pending = self._pending.get(address)
        if handshake:
            return pending or established
        return established or pending

    def begin(self, session: DtlsSession) -> None:
        """A handshake begins; one before it at the same address is given up."""
        earlier = self._pending.get(session.address)
        if earlier is not None:
            self.forget(earlier)
        elif len(self._pending) >= self._maximum_pending:
            self.forget(next(iter(self._pending.values())))
        self._pending[session.address] = session
        self._by_handle[session.handle] = session

    def establish(self, session: DtlsSession) -> DtlsSession | None:
        """The handshake is complete; returns the session that this one replaces."""
        self._pending.pop(session.address, None)
        replaced = self._established.pop(session.address, None)
        if replaced is not None:
            self._by_handle.pop(replaced.handle, None)
        elif len(self._established) >= self._maximum:
            self.forget(next(iter(self._established.values())))
        self._established[session.address] = session
        return replaced

    def forget(self, session: DtlsSession) -> None:
        """The session has ended."""
        session.cancel_timer()
        self._by_handle.pop(session.handle, None)
        for table in (self._pending, self._established):
            if table.get(session.address) is session:
                del table[session.address]

    def remember(self, master_key: bytes, granted: Granted) -> None:
        """A resumed session shows no identity again; its master key tells whose it is (RFC 5246 §7.3)."""
        self._granted.pop(master_key, None)
        if len(self._granted) >= self._maximum:
            del self._granted[next(iter(self._granted))]
        self._granted[master_key] = granted

    def resumed(self, master_key: bytes) -> Granted | None:
        """Whose session it was that is resumed with this master key."""
        return self._granted.get(master_key)

    def of_identity(self, identity: str) -> list[DtlsSession]:
        """All established sessions of an identity."""
        return [
            session
            for session in self._established.values()
            if session.granted is not None and session.granted.identity == identity
        ]

    def all(self) -> list[DtlsSession]:
        """Every session."""
        return [*self._established.values(), *self._pending.values()]

    def __len__(self) -> int:
        return len(self._established) + len(self._pending)
