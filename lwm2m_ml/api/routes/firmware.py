"""`/firmware`: base firmware of device classes. `/encryption-keys`: devices that get their modules encrypted."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from lwm2m_ml.api.authentication import ADMIN, VIEWER
from lwm2m_ml.api.paging import DEFAULT_LIMIT, Cursor, Limit, page_of_all
from lwm2m_ml.api.running import Service
from lwm2m_ml.api.uploads import FILE_BODY, Upload, uploaded
from lwm2m_ml.client.schemas import Page
from lwm2m_ml.client.schemas import delivery as schemas
from lwm2m_ml.module.encryption import DevicePublicKey, WrappingKey
from lwm2m_ml.service.base_images import MAXIMUM_IMAGE_BYTES, BaseImage

router = APIRouter(tags=["delivery"])

Text = Annotated[str, Query(min_length=1, max_length=128)]
Endpoint = Annotated[str, Path(min_length=1, max_length=255)]


@router.get("/firmware", dependencies=[VIEWER])
async def list_firmware(service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Page[schemas.Firmware]:
    """The base firmware of every class of devices that has one."""
    return page_of_all(
        service.base_images.all(), limit, cursor, lambda one: (one.vendor_id + one.class_id).hex(), _firmware
    )


@router.put("/firmware/{vendor}/{class_id}", dependencies=[ADMIN], openapi_extra=FILE_BODY)
async def add_firmware(
    service: Service,
    vendor: UUID,
    class_id: UUID,
    upload: Annotated[Upload, uploaded(MAXIMUM_IMAGE_BYTES)],
    *,
    name: Text,
    version: Text,
    rtos: Text,
    slot_address: Annotated[int, Query(ge=0, description="Where in the image the module begins")],
) -> schemas.Firmware:
    """Keep the base firmware of a class, for devices that take nothing but whole images."""
    async with upload.content() as content:
        image = await service.base_images.add(
            content,
            vendor_id=vendor.bytes,
            class_id=class_id.bytes,
            name=name,
            version=version,
            rtos=rtos,
            slot_address=slot_address,
            digest=upload.digest,
        )
    return _firmware(image)


@router.delete("/firmware/{vendor}/{class_id}", dependencies=[ADMIN], status_code=HTTPStatus.NO_CONTENT)
async def remove_firmware(service: Service, vendor: UUID, class_id: UUID) -> None:
    """Forget the base firmware of a class."""
    await service.base_images.remove(vendor.bytes, class_id.bytes)


@router.get("/encryption-keys", dependencies=[VIEWER])
async def list_encryption_keys(
    service: Service, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> Page[schemas.EncryptionKey]:
    """The devices that get their modules encrypted, with their public keys where they have one."""
    found = service.encryption_keys.all().items()
    return page_of_all(found, limit, cursor, lambda one: one[0], lambda one: _key(*one))


@router.put("/encryption-keys/{endpoint}", dependencies=[ADMIN])
async def add_encryption_key(service: Service, endpoint: Endpoint, body: schemas.PublicKey) -> schemas.EncryptionKey:
    """Encrypt every module for a device from now on."""
    return _key(endpoint, await service.encryption_keys.add(endpoint, bytes.fromhex(body.public_key)))


@router.post("/encryption-keys/{endpoint}/shared", dependencies=[ADMIN], status_code=HTTPStatus.CREATED)
async def share_encryption_key(
    service: Service, endpoint: Endpoint, body: schemas.KeyToShare
) -> schemas.SharedEncryptionKey:
    """Encrypt every module for a device from now on, with a key that it shares with the server."""
    shared = await service.encryption_keys.share(endpoint, None if body.key is None else bytes.fromhex(body.key))
    told = shared.key.hex() if body.key is None else None
    return schemas.SharedEncryptionKey(**_key(endpoint, shared).model_dump(), key=told)


@router.delete("/encryption-keys/{endpoint}", dependencies=[ADMIN], status_code=HTTPStatus.NO_CONTENT)
async def remove_encryption_key(service: Service, endpoint: Endpoint) -> None:
    """Send a device its modules in plain again."""
    await service.encryption_keys.remove(endpoint)


def _firmware(image: BaseImage) -> schemas.Firmware:
    return schemas.Firmware(
        vendor=str(UUID(bytes=image.vendor_id)),
        class_id=str(UUID(bytes=image.class_id)),
        name=image.name,
        version=image.version,
        rtos=image.rtos,
        slot_address=image.slot_address,
        digest=image.digest,
        created_at=image.created_at,
    )


def _key(endpoint: str, key: WrappingKey) -> schemas.EncryptionKey:
    public_key = key.public_key.public_bytes_raw().hex() if isinstance(key, DevicePublicKey) else None
    return schemas.EncryptionKey(
        endpoint=endpoint, algorithm=key.algorithm_name, key_id=key.key_id.hex(), public_key=public_key
    )
