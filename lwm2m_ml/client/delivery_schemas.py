"""What the API says of base firmware and of keys that modules are encrypted for."""

from typing import Annotated

from pydantic import Field

from lwm2m_ml.client.schemas import Schema


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


class EncryptionKey(PublicKey):
    """A device that gets its modules encrypted; `key_id` is how packages name its key."""

    endpoint: str
    key_id: str
