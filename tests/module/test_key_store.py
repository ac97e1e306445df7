"""The key store: new, rotate with overlap, revoke, and what devices then trust."""

import pathlib

import pytest

from lwm2m_ml.errors import ConflictError, NotFoundError
from lwm2m_ml.module.errors import KeyFileError
from lwm2m_ml.module.key_index import KeyState, Purpose
from lwm2m_ml.module.key_store import KeyStore
from lwm2m_ml.module.signing import Algorithm, VerificationKey
from lwm2m_ml.module.trust_list import TrustList

SECRET = b"correct horse"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: pathlib.Path, clock: Clock) -> KeyStore:
    return KeyStore(tmp_path / "keys", SECRET, clock)


def trusted(store: KeyStore, root: VerificationKey, now: float, installed: TrustList | None = None) -> TrustList:
    trust = TrustList.verify(store.trust_list(), [root], installed)
    assert trust.trusted_at(now) is not None
    return trust


def test_a_new_key_signs_and_is_found_again(store: KeyStore, tmp_path: pathlib.Path, clock: Clock) -> None:
    record = store.new(algorithm=Algorithm.ES256)
    again = KeyStore(tmp_path / "keys", SECRET, clock)
    assert again.list() == (record,)
    assert again.signing_key().key_id.hex() == record.key_id
    assert again.signing_key().algorithm is Algorithm.ES256
    assert again.verification_key(record).key_id.hex() == record.key_id


def test_private_keys_need_the_secret(store: KeyStore, tmp_path: pathlib.Path, clock: Clock) -> None:
    store.new()
    with pytest.raises(KeyFileError):
        KeyStore(tmp_path / "keys", b"wrong", clock).signing_key()
    for path in (tmp_path / "keys").iterdir():
        assert b"BEGIN PRIVATE KEY" not in path.read_bytes()


def test_there_is_one_active_key_for_each_purpose(store: KeyStore) -> None:
    store.new()
    store.new(Purpose.ROOT)
    with pytest.raises(ConflictError, match="active key for modules"):
        store.new()
    assert store.signing_key(Purpose.ROOT).key_id != store.signing_key().key_id


def test_a_key_is_rotated_with_overlap(store: KeyStore, clock: Clock) -> None:
    store.new(Purpose.ROOT)
    root = store.signing_key(Purpose.ROOT).verification_key
    old = store.new()
    first = trusted(store, root, clock.now)
    new = store.rotate(overlap_seconds=100)
    assert [record.state for record in store.list()[1:]] == [KeyState.RETIRING, KeyState.ACTIVE]
    assert store.signing_key().key_id.hex() == new.key_id
    second = trusted(store, root, clock.now, first)
    assert {key.key_id.hex() for key in second.trusted_at(1099)} == {old.key_id, new.key_id}
    assert {key.key_id.hex() for key in second.trusted_at(1100)} == {new.key_id}
    clock.now = 1100
    third = trusted(store, root, clock.now, second)
    assert [entry.key.key_id.hex() for entry in third.keys] == [new.key_id]
    assert [first.version, second.version, third.version] == [1, 2, 3]


def test_a_revoked_key_signs_no_more_and_devices_learn_it(store: KeyStore, clock: Clock) -> None:
    store.new(Purpose.ROOT)
    root = store.signing_key(Purpose.ROOT).verification_key
    record = store.new()
    assert store.revoke(record.key_id[:8]).state is KeyState.REVOKED
    with pytest.raises(NotFoundError):
        store.signing_key()
    trust = trusted(store, root, clock.now)
    assert trust.trusted_at(clock.now) == ()
    assert trust.revoked == (bytes.fromhex(record.key_id),)
    store.new()
    assert len(trusted(store, root, clock.now, trust).trusted_at(clock.now)) == 1


def test_what_is_not_there_is_said(store: KeyStore) -> None:
    for work in (store.rotate, store.trust_list, store.signing_key, lambda: store.revoke("abcdef")):
        with pytest.raises(NotFoundError):
            work()
    record = store.new()
    with pytest.raises(NotFoundError, match="No key"):
        store.find(record.key_id[:3])


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"form": 2}', b"\xff", b'{"form":1,"keys":[{}]}'])
def test_a_damaged_index_is_said_to_be(store: KeyStore, tmp_path: pathlib.Path, damage: bytes) -> None:
    store.new()
    (tmp_path / "keys" / "keys.json").write_bytes(damage)
    with pytest.raises(KeyFileError, match="damaged"):
        store.list()
