"""The API's calls about base firmware and keys that modules are encrypted for."""

from pydantic import TypeAdapter

from lwm2m_ml.client.call import LARGEST_PAGE, NOTHING, Call, query_of, segment
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas.delivery import EncryptionKey, Firmware, KeyToShare, PublicKey, SharedEncryptionKey


def firmware() -> Call[Page[Firmware]]:
    """The base firmware of every class of devices that has one."""
    return Call("GET", "/firmware", TypeAdapter(Page[Firmware]), query=query_of(limit=LARGEST_PAGE))


def add_firmware(
    content: bytes, *, vendor: str, class_id: str, name: str, version: str, rtos: str, slot_address: int
) -> Call[Firmware]:
    """Keep the base firmware of a class."""
    query = (("name", name), ("version", version), ("rtos", rtos), ("slot_address", str(slot_address)))
    path = f"/firmware/{segment(vendor)}/{segment(class_id)}"
    return Call("PUT", path, TypeAdapter(Firmware), content=content, query=query, timeout=300.0)


def remove_firmware(vendor: str, class_id: str) -> Call[None]:
    """Forget the base firmware of a class."""
    return Call("DELETE", f"/firmware/{segment(vendor)}/{segment(class_id)}", NOTHING)


def encryption_keys() -> Call[Page[EncryptionKey]]:
    """The devices that get their modules encrypted."""
    return Call("GET", "/encryption-keys", TypeAdapter(Page[EncryptionKey]), query=query_of(limit=LARGEST_PAGE))


def add_encryption_key(endpoint: str, public_key: str) -> Call[EncryptionKey]:
    """Encrypt every module for a device from now on."""
    body = PublicKey(public_key=public_key).model_dump()
    return Call("PUT", f"/encryption-keys/{segment(endpoint)}", TypeAdapter(EncryptionKey), json=body)


def share_encryption_key(endpoint: str, key: str | None = None) -> Call[SharedEncryptionKey]:
    """Encrypt every module for a device from now on, with a key that it shares with the server."""
    body = KeyToShare(key=key).model_dump()
    path = f"/encryption-keys/{segment(endpoint)}/shared"
    return Call("POST", path, TypeAdapter(SharedEncryptionKey), json=body)


def remove_encryption_key(endpoint: str) -> Call[None]:
    """Send a device its modules in plain again."""
    return Call("DELETE", f"/encryption-keys/{segment(endpoint)}", NOTHING)
