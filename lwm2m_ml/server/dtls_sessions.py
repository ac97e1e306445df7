"""DTLS sessions in the store, sealed by the vault, with the token of whoever acts for their device."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from lwm2m_ml.bus import NotOwner, Ownership
from lwm2m_ml.coap.dtls_cid import Holders, RestingSession, TakenSession
from lwm2m_ml.server.credentials.vault import SecretsUnreadable, Vault
from lwm2m_ml.store.dtls_sessions import DtlsSessionRecord, DtlsSessionRepository, Held

log = structlog.get_logger(__name__)


class StoredDtlsSessions:
    """Says nothing about a session of a device that this server does not act for."""

    def __init__(
        self,
        repository: DtlsSessionRepository,
        vault: Vault,
        endpoint_of: Callable[[str], str | None],
        ownership: Ownership,
    ) -> None:
        """`endpoint_of` names the device of an identity."""
        self._repository = repository
        self._vault = vault
        self._endpoint_of = endpoint_of
        self._ownership = ownership

    def holder_of(self, identity: str) -> int | None:
        """The token with which this server acts for the device of an identity; None when it does not."""
        endpoint = self._endpoint_of(identity)
        return None if endpoint is None else self._ownership.token(endpoint)

    async def keep(self, sessions: Sequence[tuple[RestingSession, int]], *, complete: bool = False) -> Holders:
        """Store new sessions."""
        held = list(self._held(sessions))
        return _holders(held, await self._repository.keep(held, complete=complete))

    async def find(self, keys: Sequence[str]) -> Sequence[RestingSession]:
        """The sessions with these keys that can be unsealed."""
        return self._unsealed(await self._repository.find(keys))

    async def find_peer(self, identity: str) -> RestingSession | None:
        """The session of an identity."""
        record = await self._repository.of(identity)
        return None if record is None else next(iter(self._unsealed((record,))), None)

    async def take(self, identity: str, key: str, count: int) -> TakenSession | None:
        """Have a session."""
        taken = await self._repository.take(identity, key, count)
        if taken is None:
            return None
        record, first, complete = taken
        unsealed = self._unsealed((record,))
        return TakenSession(unsealed[0], range(first, first + count), complete) if unsealed else None

    async def hold(self, sessions: Sequence[RestingSession]) -> Holders:
        """Note that sessions are held here."""
        held = list(self._held((one, 0) for one in sessions))
        return _holders(held, await self._repository.hold(held))

    async def reserve(self, identity: str, key: str, count: int) -> range | None:
        """Give more numbers to a session. Raises `NotOwner` while this server does not act for its device."""
        token = self.holder_of(identity)
        if token is None:
            raise NotOwner("This node does not act for the device at present")
        first = await self._repository.reserve(identity, key, token, count)
        return None if first is None else range(first, first + count)

    async def rest(self, sessions: Sequence[tuple[RestingSession, int]]) -> None:
        """Store what is known at last."""
        await self._repository.rest(list(self._held(sessions)))

    async def remove(self, identity: str, key: str | None = None) -> None:
        """The session has ended."""
        await self._repository.remove(identity, key)

    def _held(self, sessions: Iterable[tuple[RestingSession, int]]) -> Iterator[Held]:
        for session, number in sessions:
            endpoint = self._endpoint_of(session.identity)
            token = None if endpoint is None else self._ownership.token(endpoint)
            if endpoint is not None and token is not None:
                sealed = self._vault.seal(session.exported, _context(session.identity, session.key))
                record = DtlsSessionRecord(session.identity, session.key, session.address, sealed)
                yield Held(record, endpoint, token, number)

    def _unsealed(self, records: Iterable[DtlsSessionRecord]) -> list[RestingSession]:
        found = []
        for record in records:
            try:
                exported = self._vault.unseal(record.sealed, _context(record.identity, record.key))
            except SecretsUnreadable as error:
                log.warning("a DTLS session is lost", identity=record.identity, reason=error.message)
            else:
                found.append(RestingSession(record.identity, record.key, tuple(record.address), exported))
        return found


def _holders(held: Iterable[Held], stored: frozenset[str]) -> Holders:
    return {one.record.identity: one.token for one in held if one.record.identity in stored}


def _context(identity: str, key: str) -> str:
    return f"DTLS session {key} of {identity}"
