"""Stores the sessions of a socket, so that another process can go on with them after this one was killed.

A session is stored a while after somebody found it worth it, some at a time: no handshake waits for that, and one that
is not stored yet costs its peer a handshake when this process is killed. From then on its numbers are reserved in the
store before they are used, so many at a time that it is asked once in ten thousands of messages.

    unknown     ──stored──▶ held ──ended──▶ never again          what is tried once and may have failed counts as
    borrowed    ──confirmed──▶ held                              never again, too: see `Stored`
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from lwm2m_ml.coap.dtls12.session import Stored
from lwm2m_ml.coap.dtls_cid.resting import RestingSession, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from lwm2m_ml.coap.dtls12.session import Session
    from lwm2m_ml.coap.dtls_cid.peer import SessionRemote
    from lwm2m_ml.coap.dtls_cid.resting import SessionStates

logger = structlog.get_logger(__name__)

NUMBERS = 1 << 16
"""Reserved at once; so many are lost when the process is killed, of 2**48."""
KEEP_AFTER = 1.0
KEEP_EVERY = 0.1
KEPT_AT_ONCE = 256
"""Sessions stored every `KEEP_EVERY` seconds at most: keys are sealed in the time of everything else."""


class SessionKeeper:
    """Says to the store what becomes of the sessions of one transport."""

    __slots__ = ("_ended", "_forget", "_reserving", "_states", "_storing", "_tasks", "_timer", "_waiting")

    def __init__(self, states: SessionStates, forget: Callable[[SessionRemote], None]) -> None:
        """`forget` ends the session of a peer here: it goes on elsewhere, or rests."""
        self._states = states
        self._forget = forget
        self._waiting: dict[SessionRemote, None] = {}
        self._ended: dict[tuple[str, str | None], None] = {}
        self._reserving: set[Session] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._storing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, peer: SessionRemote) -> None:
        """The session of this peer is worth it."""
        session = peer.session
        if session is None or peer.identity is None or peer.is_called or peer.doubted:
            return
        if session.stored in (Stored.UNKNOWN, Stored.BORROWED):
            self._waiting[peer] = None
            self._soon(KEEP_AFTER)

    def ended(self, peer: SessionRemote) -> None:
        """The session of this peer ends, and is not to go on anywhere."""
        session = peer.session
        if session is None or peer.identity is None:
            return
        if session.stored in (Stored.HELD, Stored.BORROWED):
            self._ended[peer.identity, key_of(session.own_cid, peer.socket_address)] = None
            self._soon(KEEP_EVERY)
        session.stored = Stored.NEVER_AGAIN

    def gone(self, identity: str) -> None:
        """The identity has no session any more, wherever it was."""
        self._ended[identity, None] = None
        self._soon(KEEP_EVERY)

    def reserve(self, peer: SessionRemote) -> None:
        """Get numbers for the session of a peer that runs short of them."""
        session = peer.session
        if session is not None and session.stored is Stored.HELD and session not in self._reserving:
            self._reserving.add(session)
            self._begin(self._reserve(peer, session))

    async def close(self, peers: Callable[[], Sequence[SessionRemote]]) -> None:
        """Let the sessions of all peers rest where the next process finds them."""
        if self._timer is not None:
            self._timer.cancel()
        if self._storing is not None:
            await self._storing
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        new: list[tuple[RestingSession, int]] = []
        held: list[tuple[RestingSession, int]] = []
        for peer in peers():
            session = peer.session
            if session is None or peer.identity is None or peer.is_called or peer.doubted:
                continue
            at_rest, limit = _at_rest(peer, session), session.limit
            self._forget(peer)  # so that nothing is opened after it was exported
            end = session.end()
            if session.stored is Stored.UNKNOWN:
                new.append((at_rest, end))
            elif session.stored is Stored.HELD:
                held.append((at_rest, limit))
        try:
            await self._remove_ended()
            await self._states.keep(new, complete=True)
            await self._states.rest(held)
        except Exception as error:  # a store may fail in any way: then there are handshakes to be made
            logger.warning("DTLS sessions are not kept", sessions=len(new) + len(held), reason=str(error))

    def _soon(self, seconds: float) -> None:
        if self._timer is None and self._storing is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start)

    def _start(self) -> None:
        self._timer = None
        self._storing = asyncio.get_running_loop().create_task(self._store())
        self._storing.add_done_callback(self._stored)

    def _stored(self, _task: asyncio.Task[None]) -> None:
        self._storing = None
        if self._waiting or self._ended:
            self._soon(KEEP_EVERY)

    async def _store(self) -> None:
        peers = list(self._waiting)[:KEPT_AT_ONCE]
        for peer in peers:
            del self._waiting[peer]
        try:
            await self._remove_ended()
            await self._keep(peers)
        except Exception as error:  # as above; whoever is heard again is tried again, where that is safe
            logger.warning("DTLS sessions are not kept", sessions=len(peers), reason=str(error))

    async def _remove_ended(self) -> None:
        while self._ended:
            identity, key = next(iter(self._ended))
            await self._states.remove(identity, key)
            self._ended.pop((identity, key), None)

    async def _keep(self, peers: list[SessionRemote]) -> None:
        new: dict[str, tuple[SessionRemote, Session, RestingSession, int]] = {}
        borrowed: dict[str, tuple[SessionRemote, Session, RestingSession]] = {}
        for peer in peers:
            session = peer.session
            if session is None or peer.doubted:
                continue
            at_rest = _at_rest(peer, session)
            if session.stored is Stored.UNKNOWN:
                # Tried once: when it fails, nobody knows whether it is stored and who has it.
                session.stored = Stored.NEVER_AGAIN
                new[at_rest.identity] = (peer, session, at_rest, session.bound(NUMBERS))
            elif session.stored is Stored.BORROWED:
                borrowed[at_rest.identity] = (peer, session, at_rest)
        if new:
            stored = await self._states.keep([(at_rest, limit) for _, _, at_rest, limit in new.values()])
            for identity, holder in stored.items():
                self._hold(*new[identity][:3], holder)
        if borrowed:
            held = await self._states.hold([at_rest for _, _, at_rest in borrowed.values()])
            for identity, (peer, session, at_rest) in borrowed.items():
                if identity in held:
                    self._hold(peer, session, at_rest, held[identity])
                elif peer.session is session:
                    self._refuse(peer)

    def _hold(self, peer: SessionRemote, session: Session, at_rest: RestingSession, holder: int) -> None:
        if peer.session is not session:  # it ended meanwhile
            session.stored = Stored.NEVER_AGAIN
            self._ended[at_rest.identity, at_rest.key] = None
            return
        session.stored, session.holder = Stored.HELD, holder
        session.reservations = peer
        peer.keeper = self

    async def _reserve(self, peer: SessionRemote, session: Session) -> None:
        try:
            key = key_of(session.own_cid, peer.socket_address)
            numbers = await self._states.reserve(str(peer.identity), key, NUMBERS)
        except Exception as error:  # it is asked again with the next message
            logger.warning("A DTLS session gets no numbers", identity=peer.identity, reason=str(error))
            return
        finally:
            self._reserving.discard(session)
        if peer.session is not session:
            return
        if numbers is None:
            self._refuse(peer)
        else:
            session.grant(numbers)

    def _refuse(self, peer: SessionRemote) -> None:
        logger.info("A DTLS session is held elsewhere", identity=peer.identity)
        self._forget(peer)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _at_rest(peer: SessionRemote, session: Session) -> RestingSession:
    key = key_of(session.own_cid, peer.socket_address)
    return RestingSession(str(peer.identity), key, peer.socket_address, session.export())
