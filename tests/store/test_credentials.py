"""Credentials survive; batches are whole."""

import pytest

from lwm2m_ml.store import Store, StoreError
from lwm2m_ml.store.credentials import CredentialRecord


def record(number: int, **changes: object) -> CredentialRecord:
    fields: dict[str, object] = {
        "id": f"c{number}",
        "endpoint": "dev",
        "kind": "psk",
        "identity": f"i{number}",
        "facts": {"origin": "given"},
        "secret": b"\x00sealed",
        "created_at": float(number),
    }
    return CredentialRecord(**fields | changes)  # type: ignore[arg-type]


async def test_credentials_come_back_as_they_were(store: Store) -> None:
    await store.credentials.put([record(2), record(1, expires_at=5.0)])
    assert await store.credentials.all() == (record(1, expires_at=5.0), record(2))


async def test_put_replaces_all_but_the_time_of_creation(store: Store) -> None:
    await store.credentials.put([record(1)])
    await store.credentials.put([record(1, revoked_at=9.0, secret=b"", created_at=7.0)])
    assert await store.credentials.all() == (record(1, revoked_at=9.0, secret=b""),)


async def test_delete_forgets(store: Store) -> None:
    await store.credentials.put([record(1), record(2)])
    await store.credentials.delete("c1")
    assert await store.credentials.all() == (record(2),)


async def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.credentials.put([record(1), record(2, identity=None)])
    assert await store.credentials.all() == ()


def test_a_record_does_not_show_its_secret() -> None:
    assert "sealed" not in repr(record(1))
