"""Signed packages: made once per build, kind of device, packing and deployment, and kept with their facts."""

import asyncio
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.packing import Packing
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.signer import SignedModule, Signer
from lwm2m_ml.store.modules import ModuleRecord
from lwm2m_ml.store.store import Store

SEQUENCE = "modules"


@dataclass(frozen=True, slots=True)
class Package:
    """A signed module as it is delivered. `digest` names it here; `module_digest` is what a device shows."""

    digest: str
    module_digest: bytes
    content: bytes
    variant: str
    ram_bytes: int
    instructions: int


class Packages:
    """Makes packages and finds them again."""

    def __init__(self, store: Store, signer: Signer) -> None:
        self._store = store
        self._signer = signer
        self._made: dict[tuple[str, str, bytes, bytes, Packing], asyncio.Task[Package]] = {}

    async def make(self, deployment_id: str, build: Build, runtime: MlRuntime, running: bytes = b"") -> Package:
        """Return the package of a build for a kind of device; all such devices of a deployment share it.

        `running` is the digest of the image that the device runs: a delta against it may be the smallest package.
        Each deployment has sequence numbers of its own, so that going back to an older model is possible: devices
        refuse a number that is not above the last one they confirmed.
        """
        packing = Packing.of(runtime, running)
        key = (deployment_id, build.key, runtime.vendor_id, runtime.class_id, packing)
        task = self._made.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(self._make(build, runtime, packing))
            self._made[key] = task
        return await asyncio.shield(task)

    def forget(self, deployment_id: str) -> None:
        """Drop a finished deployment's packages from memory; the store keeps them."""
        for key in [key for key in self._made if key[0] == deployment_id]:
            del self._made[key]

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

    async def _make(self, build: Build, runtime: MlRuntime, packing: Packing) -> Package:
        number = await self._store.sequence_numbers.next(SEQUENCE)
        # Images are in the store under their digests, like everything that was built.
        base = await self._store.artefacts.get(packing.base_digest.hex()) if packing.base_digest else None
        # Packing computes for tenths of a second.
        signed = await asyncio.to_thread(self._signer.sign, build, runtime, number, packing, base=base)
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


def _package(record: ModuleRecord, content: bytes) -> Package:
    return Package(
        digest=record.digest,
        module_digest=bytes.fromhex(record.facts.get("module_digest", "")),
        content=content,
        variant=record.variant,
        ram_bytes=record.facts["ram_bytes"],
        instructions=record.facts["instructions"],
    )
