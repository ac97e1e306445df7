"""The keys of devices that want their modules encrypted (42769/x/23).

A device has a public key (ECDH-ES + A128KW), or it shares a key with the server (A128KW), which is sealed at rest.
"""

import secrets

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from lwm2m_ml.errors import InvalidInputError, NotFoundError
from lwm2m_ml.module.encryption import A128KW, CONTENT_KEY_BYTES, DevicePublicKey, SharedKey, WrappingKey
from lwm2m_ml.server.credentials.vault import Vault
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.store.encryption_keys import EncryptionKeyRecord, EncryptionKeyRepository

PUBLIC_KEY_BYTES = 32
SHARED_KEY_BYTES = CONTENT_KEY_BYTES


class EncryptionKeys:
    """Keys by endpoint, in memory and in the store."""

    def __init__(self, repository: EncryptionKeyRepository, vault: Vault) -> None:
        self._repository = repository
        self._vault = vault
        self._keys: dict[str, WrappingKey] = {}

    async def start(self) -> None:
        """Load what is stored. Raises `SecretsUnreadable` when a shared key was sealed with another one."""
        records = await self._repository.all()
        self._keys.clear()
        for record in records:
            if record.algorithm == A128KW:
                key = self._vault.unseal(record.key, _context(record.endpoint))
                self._keys[record.endpoint] = SharedKey(key)
            else:
                self._keys[record.endpoint] = DevicePublicKey(X25519PublicKey.from_public_bytes(record.key))

    def all(self) -> dict[str, WrappingKey]:
        """Return the keys by endpoint."""
        return dict(self._keys)

    async def add(self, endpoint: str, public_key: bytes) -> DevicePublicKey:
        """Encrypt for a device from now on; raises `InvalidInputError` unless this is a X25519 key of 32 bytes."""
        if len(public_key) != PUBLIC_KEY_BYTES:
            raise InvalidInputError(f"A X25519 public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
        key = DevicePublicKey(X25519PublicKey.from_public_bytes(public_key))
        await self._keep(endpoint, key, public_key)
        return key

    async def share(self, endpoint: str, key: bytes | None = None) -> SharedKey:
        """Encrypt for a device from now on, with a key that it has too; without `key`, one is made up.

        Raises `InvalidInputError` unless it has 16 bytes.
        """
        key = secrets.token_bytes(SHARED_KEY_BYTES) if key is None else key
        if len(key) != SHARED_KEY_BYTES:
            raise InvalidInputError(f"A shared key has {SHARED_KEY_BYTES} bytes, not {len(key)}")
        shared = SharedKey(key)
        await self._keep(endpoint, shared, self._vault.seal(key, _context(endpoint)))
        return shared

    async def remove(self, endpoint: str) -> None:
        """Encrypt for a device no more; raises `NotFoundError`."""
        if endpoint not in self._keys:
            raise NotFoundError(f"There is no key to encrypt with for {endpoint!r}")
        await self._repository.delete(endpoint)
        self._keys.pop(endpoint, None)

    def of(self, endpoint: str, runtime: MlRuntime) -> WrappingKey | None:
        """Return the key of a device; None for one that has none.

        Raises `InvalidInputError` for a device with a key that says it cannot use one: it must not get plain modules.
        """
        key = self._keys.get(endpoint)
        if key is not None and key.algorithm not in runtime.encryption_algorithms:
            raise InvalidInputError(
                f"{endpoint} is to get encrypted modules but does not unwrap keys by {key.algorithm_name}",
                hint="Remove its key with: lwm2m-ml encryption-keys remove ENDPOINT",
            )
        return key

    async def _keep(self, endpoint: str, key: WrappingKey, stored: bytes) -> None:
        await self._repository.put(EncryptionKeyRecord(endpoint, key.algorithm, stored))
        self._keys[endpoint] = key


def _context(endpoint: str) -> str:
    """What a sealed key is bound to."""
    return f"the encryption key of {endpoint}"
