"""A peer with a DTLS session that may change its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lwm2m_ml.coap.remote import Remote

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls12.handshake import Handshake
    from lwm2m_ml.coap.dtls12.session import Session
    from lwm2m_ml.coap.dtls_cid.keeping import SessionKeeper
    from lwm2m_ml.coap.dtls_cid.paths import Path


class SessionRemote(Remote):
    """A peer, its session, and the address that it may have moved to."""

    __slots__ = ("doubted", "finale", "is_called", "keeper", "path", "session")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.session: Session | None = None
        """None: it has ended, or rests in the store."""
        self.finale: Handshake | None = None
        """The handshake, until the peer shows that it got our last flight."""
        self.is_called = False
        """Whether we made the session as its client."""
        self.path: Path | None = None
        """Where the peer was heard that has not proved that it receives there."""
        self.doubted = False
        """Whether the peer has to prove that what it says is not said by somebody who recorded it."""
        self.keeper: SessionKeeper | None = None
        """Whom to ask for sequence numbers when the session is stored."""

    def short(self) -> None:
        """The session needs sequence numbers."""
        if self.keeper is not None:
            self.keeper.reserve(self)
