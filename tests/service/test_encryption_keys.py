"""Keys that modules are encrypted for: kept, sealed where they are secret, and refused where they are of no use."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from lwm2m_ml.errors import InvalidInputError, NotFoundError
from lwm2m_ml.module.encryption import A128KW, ECDH_ES_A128KW, SharedKey
from lwm2m_ml.server.credentials.vault import SecretsUnreadable, Vault
from lwm2m_ml.service.encryption_keys import EncryptionKeys
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.store import Store
from tests.service.fake_device import capability_records

PUBLIC = X25519PrivateKey.generate().public_key().public_bytes_raw()
VAULT = Vault(bytes(32))
Device = Callable[..., MlRuntime]


@pytest.fixture
def device(new_device: Callable[..., Any]) -> Callable[..., MlRuntime]:
    runtime = profile_from_records("mcu", (), capability_records(new_device())).runtime
    assert runtime is not None
    return lambda *algorithms: dataclasses.replace(runtime, encryption_algorithms=algorithms)


async def test_keys_of_both_kinds_are_there_after_a_restart(store: Store, device: Device) -> None:
    keys = EncryptionKeys(store.encryption_keys, VAULT)
    added, shared = await keys.add("public", PUBLIC), await keys.share("shared", bytes(range(16)))
    again = EncryptionKeys(store.encryption_keys, VAULT)
    await again.start()
    assert again.all() == {"public": added, "shared": shared}
    assert again.of("public", device(ECDH_ES_A128KW)) == added
    assert again.of("shared", device(ECDH_ES_A128KW, A128KW)) == SharedKey(bytes(range(16)))
    assert again.of("other", device()) is None


async def test_a_shared_key_is_not_in_the_database_and_of_no_use_without_the_vault(store: Store) -> None:
    shared = await EncryptionKeys(store.encryption_keys, VAULT).share("mcu")
    (record,) = await store.encryption_keys.all()
    assert shared.key not in record.key
    with pytest.raises(SecretsUnreadable, match="the encryption key of mcu"):
        await EncryptionKeys(store.encryption_keys, Vault(bytes(range(32)))).start()


async def test_a_key_that_is_made_up_is_another_one_each_time_and_takes_the_place_of_the_earlier(store: Store) -> None:
    keys = EncryptionKeys(store.encryption_keys, VAULT)
    await keys.add("mcu", PUBLIC)
    one, two = await keys.share("mcu"), await keys.share("mcu")
    assert one != two
    assert keys.all() == {"mcu": two}
    await keys.remove("mcu")
    assert await store.encryption_keys.all() == ()
    with pytest.raises(NotFoundError):
        await keys.remove("mcu")


@pytest.mark.parametrize("unwraps", [(), (ECDH_ES_A128KW,)])
async def test_a_device_that_cannot_use_its_shared_key_is_named(
    store: Store, device: Device, unwraps: tuple[int, ...]
) -> None:
    keys = EncryptionKeys(store.encryption_keys, VAULT)
    await keys.share("mcu")
    with pytest.raises(InvalidInputError, match="does not unwrap keys by A128KW"):
        keys.of("mcu", device(*unwraps))


async def test_keys_of_another_length_are_refused(store: Store) -> None:
    keys = EncryptionKeys(store.encryption_keys, VAULT)
    with pytest.raises(InvalidInputError, match="16 bytes, not 15"):
        await keys.share("mcu", bytes(15))
    with pytest.raises(InvalidInputError, match="32 bytes, not 31"):
        await keys.add("mcu", bytes(31))
    assert keys.all() == {}
