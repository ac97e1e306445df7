"""Registrations survive as they were."""

import pytest

from lwm2m_ml.store import RecordConflict, Store
from lwm2m_ml.store.registrations import RegistrationRecord

RECORD = RegistrationRecord(
    endpoint="urn:dev:1",
    location="Xy12",
    address_host="127.0.0.1",
    address_port=40000,
    identity=None,
    lifetime=300,
    version="1.1",
    binding="U",
    queue_mode=False,
    parameters='{"objects": {"/3/0": "1.1"}}',
    registered_at=1000.5,
    updated_at=1000.5,
)


async def test_a_stored_registration_reads_back_as_it_was(store: Store) -> None:
    await store.registrations.put(RECORD)
    assert await store.registrations.all() == (RECORD,)


async def test_a_new_registration_replaces_the_endpoints_earlier_one(store: Store) -> None:
    newer = RECORD._replace(location="other", address_port=40001)
    store.registrations.put(RECORD)
    await store.registrations.put(newer)
    assert await store.registrations.all() == (newer,)


async def test_a_deleted_registration_is_gone(store: Store) -> None:
    store.registrations.put(RECORD)
    await store.registrations.delete(RECORD.endpoint)
    await store.registrations.delete("never there")
    assert await store.registrations.all() == ()


async def test_two_endpoints_cannot_share_a_location(store: Store) -> None:
    await store.registrations.put(RECORD)
    with pytest.raises(RecordConflict):
        await store.registrations.put(RECORD._replace(endpoint="urn:dev:2"))
