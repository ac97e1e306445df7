"""A way back in: an admin token for whoever owns the database of an installation, when the last one is lost."""

import asyncio
import os

from lwm2m_ml.backup import DATABASE
from lwm2m_ml.config import Settings
from lwm2m_ml.errors import UsageError
from lwm2m_ml.service.access import AccessTokens, Caller, Scope
from lwm2m_ml.service.audit import AuditLog
from lwm2m_ml.store import Store

ACTION = "tokens recover"


def check(settings: Settings) -> None:
    """Make sure that a token could be made. Raises `UsageError`, `ConflictError` and `StoreError`."""
    asyncio.run(_recover(settings, None))


def admin_token(settings: Settings, label: str) -> str:
    """Make an admin token, beside a running server or without one; the audit log tells of it.

    Raises what `check` does.
    """
    return asyncio.run(_recover(settings, label))


async def _recover(settings: Settings, label: str | None) -> str:
    if not settings.database:
        _check_owner(settings)
    store = await Store.open_as_it_is(settings.database_url)
    try:
        if label is None:
            return ""
        audit = AuditLog(store.audit_entries, retention=settings.audit_days * 86_400.0)
        who = Caller(f"user {os.geteuid()} of this machine", Scope.ADMIN)
        await audit.note(who, address="", action=ACTION, endpoint=None, target=label, status=201, request="")
        return await AccessTokens(store.tokens).issue(Scope.ADMIN, label)
    finally:
        await store.close()


def _check_owner(settings: Settings) -> None:
    """Files that another user makes beside a SQLite database would lock the server out."""
    file = settings.data_directory / DATABASE
    try:
        owner = file.stat().st_uid
    except OSError as error:
        what = f"There is no installation in {settings.data_directory} ({error.strerror})"
        raise UsageError(what, hint="Name another with --data-directory") from error
    if owner != os.geteuid():
        raise UsageError(f"{file} belongs to user {owner}", hint="Run this as the user of the server: sudo -u USER …")
