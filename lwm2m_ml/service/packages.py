"""Signed packages: made once per build, kind of device, packing and deployment, and kept with their facts."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.module.encryption import EncryptedPayload, WrappingKey
from lwm2m_ml.module.package import encrypt_payload
from lwm2m_ml.service.base_images import BaseImage, BaseImages
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.encryption_keys import EncryptionKeys
from lwm2m_ml.service.packing import Packing
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.signer import SignedModule, Signer
from lwm2m_ml.store.modules import ModuleRecord
from lwm2m_ml.store.store import Store

SEQUENCE = "modules"

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Package:
    """A signed module as it is delivered. `digest` names it here; `module_digest` is what a device shows."""

    digest: str
    module_digest: bytes
    content: bytes
    variant: str
    ram_bytes: int
    instructions: int


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be packaged: a build for a kind of device, perhaps within base firmware."""

    deployment_id: str
    build: Build
    runtime: MlRuntime
    packing: Packing
    firmware: BaseImage | None

    @property
    def key(self) -> tuple[str, str, bytes, bytes, Packing, str]:
        """What devices that get the same have in common."""
        firmware = "" if self.firmware is None else self.firmware.digest
        kind = self.runtime.vendor_id, self.runtime.class_id
        return (self.deployment_id, self.build.key, *kind, self.packing, firmware)


@dataclass(frozen=True, slots=True)
class Material:
    """What packages of one order are made of: a whole image or none, what a delta is against, the secret payload."""

    image: bytes | None
    base: bytes | None
    encrypted: EncryptedPayload | None = None


class Packages:
    """Makes packages and finds them again."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        images: BaseImages | None = None,
        encryption_keys: EncryptionKeys | None = None,
    ) -> None:
        self._store = store
        self._signer = signer
        self._images = images or BaseImages(store.base_images, store.artefacts)
        self._encryption_keys = encryption_keys
        self._made: dict[tuple[Any, ...], asyncio.Task[Package]] = {}
        self._secret: dict[tuple[Any, ...], asyncio.Task[Material]] = {}

    def as_module_sees(self, runtime: MlRuntime) -> MlRuntime:
        """Return a runtime with what base firmware leaves of it."""
        return self._images.room_for_module(runtime)

    async def make(
        self, deployment_id: str, build: Build, runtime: MlRuntime, running: bytes = b"", *, endpoint: str = ""
    ) -> Package:
        """Return the package of a build for a kind of device; all such devices of a deployment share it.

        `running` is the digest of the image that the device runs: a delta against it may be the smallest package.
        `endpoint` names the device: one whose key is known gets a package of its own, encrypted.
        Each deployment has sequence numbers of its own, so that going back to an older model is possible: devices
        refuse a number that is not above the last one they confirmed.
        """
        order = Order(deployment_id, build, runtime, Packing.of(runtime, running), self._images.of(runtime))
        recipient = None if self._encryption_keys is None else self._encryption_keys.of(endpoint, runtime)
        key = (*order.key, b"" if recipient is None else recipient.key_id)
        return await _once(self._made, key, lambda: self._make(order, recipient))

    def forget(self, deployment_id: str) -> None:
        """Drop a finished deployment's packages from memory; the store keeps them."""
        for made in (self._made, self._secret):
            for key in [key for key in made if key[0] == deployment_id]:
                del made[key]

    async def next_number(self) -> int:
        """Return the sequence number that the next package will have, unless another one is made before."""
        return await self._store.sequence_numbers.current(SEQUENCE) + 1

    async def get(self, digest: str) -> Package:
        """Return a package made earlier; raises `NotFoundError`."""
        record = await self._store.modules.get(digest)
        content = None if record is None else await self._store.artefacts.get(record.package_digest)
        if record is None or content is None:
            raise NotFoundError(f"There is no module {digest[:12]}…")
        return _package(record, content)

    async def _make(self, order: Order, recipient: WrappingKey | None) -> Package:
        build, runtime = order.build, order.runtime
        if recipient is None:
            material, recipients = await self._material(order), []
        else:
            # Encrypted once for all devices of the order; only the key is wrapped for each.
            material = await _once(self._secret, order.key, lambda: self._encrypted(order))
            recipients = [recipient]
        number = await self._store.sequence_numbers.next(SEQUENCE)
        # Packing computes for tenths of a second.
        signed = await asyncio.to_thread(
            self._signer.sign,
            build,
            runtime,
            number,
            order.packing,
            image=material.image,
            base=material.base,
            recipients=recipients,
            encrypted=material.encrypted,
        )
        digest = await self._store.artefacts.put(signed.package)
        facts = {**build.facts.to_json(), **await self._facts(signed, runtime)}
        record = ModuleRecord(
            digest=digest,
            key=f"{build.key}/{number}",
            model=build.model.name,
            version=build.model.version,
            variant=build.variant.name,
            target=build.facts.target,
            facts=facts,
            package_digest=digest,
        )
        await self._store.modules.put(record)
        return _package(record, signed.package)

    async def _material(self, order: Order) -> Material:
        """Images are in the store under their digests, so that the next package can be a delta against them."""
        image, base, packing = None, None, order.packing
        if order.firmware is not None:
            image = await self._images.whole(order.firmware, order.build.payload)
            await self._store.artefacts.put(image)
        if packing.base_digest:
            base = await self._store.artefacts.get(packing.base_digest.hex())
        return Material(image, base)

    async def _encrypted(self, order: Order) -> Material:
        plain, packing = await self._material(order), order.packing
        content = order.build.payload if plain.image is None else plain.image
        encrypted = await asyncio.to_thread(
            encrypt_payload, content, packing.encodings, window_bytes=packing.window_bytes, base=plain.base
        )
        return replace(plain, encrypted=encrypted)

    async def _facts(self, signed: SignedModule, runtime: MlRuntime) -> dict[str, Any]:
        """What is kept of a signed package besides what was measured of the build."""
        form = signed.form
        return {
            "module_digest": signed.digest.hex(),
            "package_bytes": len(signed.package),
            "payload_bytes": form.size,
            "encoding": form.encoding.name.lower(),
            "base_digest": None if form.base_digest is None else form.base_digest.hex(),
            "provenance": await self._store.artefacts.put(signed.provenance),
            "sequence_number": signed.sequence_number,
            "signing_key": signed.key_id.hex(),
            "vendor_id": runtime.vendor_id.hex(),
            "class_id": runtime.class_id.hex(),
        }


async def _once(
    made: dict[tuple[Any, ...], asyncio.Task[Made]], key: tuple[Any, ...], make: Callable[[], Coroutine[Any, Any, Made]]
) -> Made:
    """Return what was made for this key, or is being made; what failed is made again."""
    task = made.get(key)
    if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
        task = made[key] = asyncio.create_task(make())
    return await asyncio.shield(task)


def _package(record: ModuleRecord, content: bytes) -> Package:
    return Package(
        digest=record.digest,
        module_digest=bytes.fromhex(record.facts.get("module_digest", "")),
        content=content,
        variant=record.variant,
        ram_bytes=record.facts["ram_bytes"],
        instructions=record.facts["instructions"],
    )
