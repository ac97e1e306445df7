"""What the API says of base firmware and of keys that modules are encrypted for."""

from typing import Annotated

from pydantic import Field

from lwm2m_ml.client.schemas.shape import Schema


class Firmware(Schema):
    """The base firmware of a class of devices. Vendor and class are UUIDs, the address is within the image."""

    vendor: str
    class_id: str
    name: str
    version: str
    rtos: str
    slot_address: int
    digest: str
    created_at: float


class PublicKey(Schema):
    """The X25519 key of a device, 64 hexadecimal digits."""

    public_key: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class KeyToShare(Schema):
    """A key that a device shares with the server, 32 hexadecimal digits; without one, it is made up."""

    key: Annotated[str | None, Field(pattern="^[0-9a-fA-F]{32}$", repr=False)] = None


class EncryptionKey(Schema):
    """A device that gets its modules encrypted; `key_id` is how packages name its key.

    `algorithm` is ECDH-ES+A128KW for one with a public key, A128KW for one that shares a key with the server.
    """

    endpoint: str
    algorithm: str
    key_id: str
    public_key: str | None


class SharedEncryptionKey(EncryptionKey):
    """A device that shares a key with the server. `key` is told this once, if it was made up."""

    key: Annotated[str | None, Field(repr=False)]
