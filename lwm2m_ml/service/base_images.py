"""Base firmware of device classes: for devices that take nothing but a whole image, the module is built into it.

    0 ──────────────── slot address ───────────
    │ base firmware │ FF … │ module's code      │

The base firmware was linked to find the module at its slot address; everything else about the module is in the signed
descriptor. The image is one for the whole class, so a delta against the former image is as small as for modules alone.
"""

import dataclasses
import time
from dataclasses import dataclass

from lwm2m_ml.errors import InvalidInputError, NotFoundError
from lwm2m_ml.module.descriptor import ModuleFormat
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.store.artefacts import ArtefactRepository
from lwm2m_ml.store.base_images import BaseImageRecord, BaseImageRepository

ERASED = b"\xff"
ALIGNMENT = 16
"""The module ABI lets code lie at any multiple of this."""
MAXIMUM_IMAGE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The base firmware of a class of devices. `slot_address` is where in the image the module begins, in bytes."""

    vendor_id: bytes
    class_id: bytes
    name: str
    version: str
    rtos: str
    slot_address: int
    digest: str
    created_at: float


class BaseImages:
    """All base firmware, in memory and in the store; the images are read when they are needed."""

    def __init__(self, repository: BaseImageRepository, artefacts: ArtefactRepository) -> None:
        self._repository = repository
        self._artefacts = artefacts
        self._images: dict[tuple[bytes, bytes], BaseImage] = {}

    async def start(self) -> None:
        """Load what is stored."""
        records = await self._repository.all()
        self._images.clear()
        for record in records:
            image = _image(record)
            self._images[image.vendor_id, image.class_id] = image

    def all(self) -> tuple[BaseImage, ...]:
        """Return all base firmware, oldest first."""
        return tuple(sorted(self._images.values(), key=lambda image: image.created_at))

    async def add(
        self,
        content: bytes,
        *,
        vendor_id: bytes,
        class_id: bytes,
        name: str,
        version: str,
        rtos: str,
        slot_address: int,
        digest: str | None = None,
    ) -> BaseImage:
        """Keep the base firmware of a class in place of an earlier one; raises `InvalidInputError`.

        Whoever knows the SHA-256 digest of the content gives it.
        """
        if not content or len(content) > MAXIMUM_IMAGE_BYTES:
            raise InvalidInputError(f"A base image has 1 to {MAXIMUM_IMAGE_BYTES:,} B, not {len(content):,}")
        if slot_address % ALIGNMENT:
            raise InvalidInputError(f"The slot address {slot_address:#x} is not a multiple of {ALIGNMENT}")
        if not len(content) <= slot_address <= MAXIMUM_IMAGE_BYTES:
            raise InvalidInputError(
                f"The module cannot begin at {slot_address:#x}: the base image ends at {len(content):#x}",
                hint="Give the address within the image, not that of the flash",
            )
        digest = await self._artefacts.put(content, digest)
        image = BaseImage(vendor_id, class_id, name, version, rtos, slot_address, digest, time.time())
        await self._repository.put(_record(image))
        self._images[vendor_id, class_id] = image
        return image

    async def remove(self, vendor_id: bytes, class_id: bytes) -> None:
        """Forget the base firmware of a class; raises `NotFoundError`."""
        if (vendor_id, class_id) not in self._images:
            raise NotFoundError("There is no base firmware for this vendor and class")
        await self._repository.delete(vendor_id.hex(), class_id.hex())
        self._images.pop((vendor_id, class_id), None)

    def of(self, runtime: MlRuntime) -> BaseImage | None:
        """Return what a module has to be built into for a device, None for one that takes modules by themselves."""
        if ModuleFormat.NATIVE in runtime.formats or ModuleFormat.BARE_METAL_IMAGE not in runtime.formats:
            return None
        return self._images.get((runtime.vendor_id, runtime.class_id))

    def room_for_module(self, runtime: MlRuntime) -> MlRuntime:
        """Return a runtime as a module sees it: what the base firmware takes of the storage is not the module's."""
        base = self.of(runtime)
        if base is None:
            return runtime
        return dataclasses.replace(
            runtime,
            formats=(*runtime.formats, int(ModuleFormat.NATIVE)),
            storage_free=max(0, runtime.storage_free - base.slot_address),
            maximum_module_size=max(0, runtime.maximum_module_size - base.slot_address),
        )

    async def whole(self, base: BaseImage, module: bytes) -> bytes:
        """Return the image that holds base firmware and module; raises `NotFoundError` when the base is gone."""
        content = await self._artefacts.get(base.digest)
        if content is None:
            raise NotFoundError(f"The base firmware {base.name} {base.version} is not in the store")
        return content.ljust(base.slot_address, ERASED) + module


def _image(record: BaseImageRecord) -> BaseImage:
    return BaseImage(
        bytes.fromhex(record.vendor_id),
        bytes.fromhex(record.class_id),
        record.name,
        record.version,
        record.rtos,
        record.slot_address,
        record.digest,
        record.created_at,
    )


def _record(image: BaseImage) -> BaseImageRecord:
    return BaseImageRecord(
        image.vendor_id.hex(),
        image.class_id.hex(),
        image.name,
        image.version,
        image.rtos,
        image.slot_address,
        image.digest,
        image.created_at,
    )
