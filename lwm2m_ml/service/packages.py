"""Signed packages: made once per build, kind of device and deployment, and kept in the store with their facts."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from lwm2m_ml.errors import NotFoundError
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.profiles import MlRuntime
from lwm2m_ml.service.signer import Signer
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
        self._made: dict[tuple[str, str, bytes, bytes], asyncio.Task[Package]] = {}

    async def make(self, deployment_id: str, build: Build, runtime: MlRuntime) -> Package:
        """Return the package of a build for a kind of device; all such devices of a deployment share it.

        Each deployment has sequence numbers of its own, so that going back to an older model is possible: devices
        refuse a number that is not above the last one they confirmed.
        """
        key = (deployment_id, build.key, runtime.vendor_id, runtime.class_id)
        task = self._made.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(self._make(build, runtime))
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

    async def _make(self, build: Build, runtime: MlRuntime) -> Package:
        number = await self._store.sequence_numbers.next(SEQUENCE)
        signed = self._signer.sign(build, runtime, number)
        digest = await self._store.artefacts.put(signed.package)
        facts: dict[str, Any] = {
            **build.facts.to_json(),
            "module_digest": signed.digest.hex(),
            "payload_digest": hashlib.sha256(build.payload).hexdigest(),
            "package_bytes": len(signed.package),
            "sequence_number": number,
            "signing_key": self._signer.key.key_id.hex(),
            "vendor_id": runtime.vendor_id.hex(),
            "class_id": runtime.class_id.hex(),
        }
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


def _package(record: ModuleRecord, content: bytes) -> Package:
    return Package(
        digest=record.digest,
        module_digest=bytes.fromhex(record.facts.get("module_digest", "")),
        content=content,
        variant=record.variant,
        ram_bytes=record.facts["ram_bytes"],
        instructions=record.facts["instructions"],
    )
