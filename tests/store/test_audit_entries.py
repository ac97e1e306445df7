"""The audit log in order, by device and by caller."""

from lwm2m_ml.store import Store
from lwm2m_ml.store.audit_entries import AuditRecord


def record(caller: str, endpoint: str | None, at: float = 1.0) -> AuditRecord:
    return AuditRecord(caller, "admin", "::1", "PUT /x", endpoint, "/x", 204, "r", at)


async def test_entries_are_found_newest_first_by_device_and_caller(store: Store) -> None:
    for caller, endpoint in (("ann", "a"), ("bob", "a"), ("ann", "b"), ("ann", None)):
        await store.audit_entries.add(record(caller, endpoint))
    log = store.audit_entries
    newest = await log.newest(10)
    assert [entry.endpoint for entry in newest] == [None, "b", "a", "a"]
    assert [entry.caller for entry in await log.newest(10, endpoint="a")] == ["bob", "ann"]
    assert len(await log.newest(10, caller="ann")) == 3
    assert await log.newest(10, before=newest[1].id) == newest[2:]


async def test_old_entries_are_forgotten(store: Store) -> None:
    await store.audit_entries.add(record("ann", "a", at=1.0))
    await store.audit_entries.add(record("ann", "a", at=3.0))
    await store.audit_entries.delete_before(2.0)
    assert [entry.at for entry in await store.audit_entries.newest(10)] == [3.0]
