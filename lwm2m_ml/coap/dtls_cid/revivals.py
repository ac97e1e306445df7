"""Finds sessions that another process had, when a record of theirs arrives or something is to be sent to their peer.

    a record of no session here     its key is looked up, with others that came meanwhile, in one query at a time
    nobody knows the key            it is not looked up again for a while
    the record does not open        what was found is kept for a while, so that further ones cost no query
    the record opens                the session is taken: with numbers that nobody else was given

Keys can be made up and cost nothing, so everything here is bounded: keys per second and per query, keys and records
that wait, and what is remembered. Records that are dropped are repeated by their senders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, NamedTuple

import structlog

from lwm2m_ml.coap.dtls.limits import TokenBucket
from lwm2m_ml.coap.dtls12.errors import UnusableSession
from lwm2m_ml.coap.dtls12.session import Session
from lwm2m_ml.coap.dtls_cid.keeping import NUMBERS

if TYPE_CHECKING:
    from lwm2m_ml.coap.dtls12.records import Record
    from lwm2m_ml.coap.dtls_cid.resting import RestingSession, SessionStates, TakenSession
    from lwm2m_ml.coap.remote import SocketAddress

logger = structlog.get_logger(__name__)

KEYS_PER_SECOND = 5_000.0
KEYS_WAITING = 1_024
KEYS_PER_QUERY = 256
RECORDS_WAITING = 4
"""Of one session, while it is looked up and taken."""
REMEMBERED = 8_192
REMEMBERED_SECONDS = 10.0
GIVEN_UP_SECONDS = 3_600.0
NO_NUMBERS = range(0)

GoOn = Callable[["TakenSession", "Session"], None]


class Arrived(NamedTuple):
    """A record, and where it came from."""

    record: Record
    address: SocketAddress


class _Known(NamedTuple):
    until: float
    sessions: Sequence[RestingSession]


class _Taking(NamedTuple):
    arrived: list[Arrived]
    task: asyncio.Task[None]


class Revivals:
    """Sessions on their way from the store to one transport."""

    __slots__ = (
        "_bucket",
        "_go_on",
        "_hear",
        "_is_valid",
        "_known",
        "_looking",
        "_loop",
        "_states",
        "_taking",
        "_tasks",
        "_wanted",
    )

    def __init__(
        self,
        states: SessionStates,
        is_valid: Callable[[str], bool],
        go_on: GoOn,
        hear: Callable[[Record, SocketAddress], None],
    ) -> None:
        """`go_on` gets a session that was taken, then `hear` the records that it was taken for."""
        self._loop = asyncio.get_running_loop()
        self._states = states
        self._is_valid = is_valid
        self._go_on = go_on
        self._hear = hear
        self._bucket = TokenBucket(KEYS_PER_SECOND, self._loop.time())
        self._known: dict[str, _Known] = {}
        self._wanted: dict[str, list[Arrived]] = {}
        self._taking: dict[str, _Taking] = {}
        """By identity."""
        self._looking = False
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, key: str, arrived: Arrived) -> None:
        """A record came that is of no session here."""
        known = self._known.get(key)
        if known is not None and known.until > self._loop.time():
            self._try(known.sessions, [arrived])
            return
        waiting = self._wanted.get(key)
        if waiting is None:
            if len(self._wanted) >= KEYS_WAITING or not self._bucket.take(self._loop.time()):
                return
            waiting = self._wanted[key] = []
        if len(waiting) < RECORDS_WAITING:
            waiting.append(arrived)
        if not self._looking:
            self._looking = True
            self._begin(self._look_up())

    def give_up(self, key: str) -> None:
        """The peer of a session cannot show that it is one; only a handshake helps."""
        self._remember(key, (), GIVEN_UP_SECONDS)

    async def wake(self, identity: str) -> None:
        """Go on with the session of an identity, if it has one, to speak first."""
        stored = await self._states.find_peer(identity)
        if stored is not None and self._is_valid(identity):
            taking = self._taking.get(identity) or self._begin_to_take(stored, [])
            await asyncio.wait((taking.task,))

    async def close(self) -> None:
        """Look up nothing any more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_up(self) -> None:
        try:
            while self._wanted:
                keys = list(self._wanted)[:KEYS_PER_QUERY]
                await self._look_up_some(keys)
        finally:
            self._looking = False

    async def _look_up_some(self, keys: Sequence[str]) -> None:
        try:
            found = await self._states.find(keys)
        except Exception as error:  # a store may fail in any way; peers repeat what they said
            logger.warning("DTLS sessions are not found", sessions=len(keys), reason=str(error))
            for key in keys:
                del self._wanted[key]
            return
        by_key: dict[str, list[RestingSession]] = {key: [] for key in keys}
        for one in found:
            by_key[one.key].append(one)
        for key, sessions in by_key.items():
            self._remember(key, sessions, REMEMBERED_SECONDS)
            self._try(sessions, self._wanted.pop(key))

    def _remember(self, key: str, sessions: Sequence[RestingSession], seconds: float) -> None:
        self._known.pop(key, None)
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = _Known(self._loop.time() + seconds, sessions)

    def _try(self, sessions: Sequence[RestingSession], arrived: list[Arrived]) -> None:
        """Take the session that one of these records is of."""
        for stored in sessions:
            taking = self._taking.get(stored.identity)
            if taking is not None:
                taking.arrived.extend(arrived[: max(0, RECORDS_WAITING - len(taking.arrived))])
            elif self._is_valid(stored.identity) and any(_opens(stored, one.record) for one in arrived):
                self._begin_to_take(stored, arrived)

    def _begin_to_take(self, stored: RestingSession, arrived: list[Arrived]) -> _Taking:
        taking = self._taking[stored.identity] = _Taking(arrived, self._begin(self._take(stored)))
        return taking

    async def _take(self, stored: RestingSession) -> None:
        try:
            taken = await self._states.take(stored.identity, stored.key, NUMBERS)
            if taken is not None:
                self._go_on(taken, Session.resume(taken.session.exported, taken.numbers))
        except UnusableSession as error:
            logger.warning("A DTLS session is lost", identity=stored.identity, reason=error.message)
        except Exception as error:  # as above
            logger.warning("A DTLS session is not taken", identity=stored.identity, reason=str(error))
        finally:
            arrived = self._taking.pop(stored.identity).arrived
            self._known.pop(stored.key, None)
        for one in arrived:
            self._hear(one.record, one.address)

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _opens(stored: RestingSession, record: Record) -> bool:
    """Whether the peer of a session sealed this record, at some time."""
    try:
        return Session.resume(stored.exported, NO_NUMBERS).open(record) is not None
    except UnusableSession as error:
        logger.warning("A DTLS session is lost", identity=stored.identity, reason=error.message)
        return False
