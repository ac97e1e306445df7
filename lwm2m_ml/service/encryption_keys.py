"""The public keys of devices that want their modules encrypted (42769/x/23, ECDH-ES + A128KW)."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from lwm2m_ml.errors import InvalidInputError, NotFoundError
from lwm2m_ml.module.encryption import ECDH_ES_A128KW, DevicePublicKey
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.store.encryption_keys import EncryptionKeyRepository

KEY_BYTES = 32


class EncryptionKeys:
    """Keys by endpoint, in memory and in the store."""

    def __init__(self, repository: EncryptionKeyRepository) -> None:
        self._repository = repository
        self._keys: dict[str, DevicePublicKey] = {}

    async def start(self) -> None:
        """Load what is stored."""
        for endpoint, public_key in (await self._repository.all()).items():
            self._keys[endpoint] = DevicePublicKey(X25519PublicKey.from_public_bytes(public_key))

    def all(self) -> dict[str, DevicePublicKey]:
        """Return the keys by endpoint."""
        return dict(self._keys)

    async def add(self, endpoint: str, public_key: bytes) -> DevicePublicKey:
        """Encrypt for a device from now on; raises `InvalidInputError` unless this is a X25519 key of 32 bytes."""
        if len(public_key) != KEY_BYTES:
            raise InvalidInputError(f"A X25519 public key has {KEY_BYTES} bytes, not {len(public_key)}")
        key = DevicePublicKey(X25519PublicKey.from_public_bytes(public_key))
        await self._repository.put(endpoint, public_key)
        self._keys[endpoint] = key
        return key

    async def remove(self, endpoint: str) -> None:
        """Encrypt for a device no more; raises `NotFoundError`."""
        if self._keys.pop(endpoint, None) is None:
            raise NotFoundError(f"There is no key to encrypt with for {endpoint!r}")
        await self._repository.delete(endpoint)

    def of(self, endpoint: str, runtime: MlRuntime) -> DevicePublicKey | None:
        """Return the key of a device; None for one that has none.

        Raises `InvalidInputError` for a device with a key that says it cannot use one: it must not get plain modules.
        """
        key = self._keys.get(endpoint)
        if key is not None and ECDH_ES_A128KW not in runtime.encryption_algorithms:
            raise InvalidInputError(
                f"{endpoint} is to get encrypted modules but does not unwrap keys by ECDH-ES+A128KW",
                hint="Remove its key with: lwm2m-ml encryption-keys remove ENDPOINT",
            )
        return key
