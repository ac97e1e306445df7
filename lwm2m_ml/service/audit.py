"""The audit log: who did what to which device, kept for a year unless the operator says otherwise."""

import asyncio
import time

from lwm2m_ml.service.access import Caller
from lwm2m_ml.store.audit_entries import AuditRecord, AuditRepository

PRUNE_INTERVAL = 3600.0


class AuditLog:
    """Takes entries before the answers they tell of are given."""

    def __init__(self, repository: AuditRepository, *, retention: float) -> None:
        """`retention` in seconds."""
        self._repository = repository
        self._retention = retention
        self._pruned_at = 0.0

    def note(
        self, caller: Caller, *, address: str, action: str, endpoint: str | None, target: str, status: int, request: str
    ) -> asyncio.Future[None]:
        """Write an entry; the future is done when it is on disk."""
        now = time.time()
        if now - self._pruned_at >= PRUNE_INTERVAL:
            self._pruned_at = now
            self._repository.delete_before(now - self._retention)
        entry = AuditRecord(
            caller=caller.name,
            scope=str(caller.scope),
            address=address,
            action=action,
            endpoint=endpoint,
            target=target,
            status=status,
            request_id=request,
        )
        return self._repository.add(entry)

    async def newest(
        self, limit: int, *, before: int | None = None, endpoint: str | None = None, caller: str | None = None
    ) -> tuple[AuditRecord, ...]:
        """Return entries, newest first, from before an id on; of one device or one caller when asked."""
        return await self._repository.newest(limit, before=before, endpoint=endpoint, caller=caller)
