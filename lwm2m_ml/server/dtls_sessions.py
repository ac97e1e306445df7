"""DTLS sessions from one run of the server to the next, sealed by the vault."""

from collections.abc import Iterable, Sequence

import structlog

from lwm2m_ml.coap.dtls_cid import RestingSession
from lwm2m_ml.server.credentials.vault import SecretsUnreadable, Vault
from lwm2m_ml.store.dtls_sessions import DtlsSessionRecord, DtlsSessionRepository

log = structlog.get_logger(__name__)


class StoredDtlsSessions:
    """Sessions rest in the store while the server does not run; a server that was killed left none there."""

    def __init__(self, repository: DtlsSessionRepository, vault: Vault) -> None:
        self._repository = repository
        self._vault = vault

    async def take(self) -> Sequence[RestingSession]:
        """Every session that can be unsealed; when this returns, none is stored any more."""
        records = await self._repository.take_all()
        return [session for session in map(self._unsealed, records) if session is not None]

    async def save(self, sessions: Iterable[RestingSession]) -> None:
        """Keep sessions until they are taken."""
        await self._repository.save_all([
            DtlsSessionRecord(one.identity, one.address, self._vault.seal(one.exported, _context(one.identity)))
            for one in sessions
        ])  # fmt: skip

    def _unsealed(self, record: DtlsSessionRecord) -> RestingSession | None:
        try:
            exported = self._vault.unseal(record.sealed, _context(record.identity))
        except SecretsUnreadable as error:
            log.warning("a DTLS session is lost", identity=record.identity, reason=error.message)
            return None
        return RestingSession(record.identity, tuple(record.address), exported)


def _context(identity: str) -> str:
    return f"DTLS session of {identity}"
