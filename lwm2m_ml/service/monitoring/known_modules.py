"""The modules of this service, by the digest that a device shows of what it runs."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lwm2m_ml.module.errors import InvalidDescriptorError
from lwm2m_ml.service.monitoring.baseline import DriftBaseline
from lwm2m_ml.store.modules import ModuleRecord, ModuleRepository

_BASELINE: TypeAdapter[DriftBaseline] = TypeAdapter(DriftBaseline)

MAXIMUM_UNKNOWN = 10_000
UNKNOWN_SECONDS = 60.0
"""A digest that nobody knows is looked up again after this: a build may have just been finished."""


@dataclass(frozen=True, slots=True)
class KnownModule:
    """A module as far as watching it needs: `inputs` names the channels of its input, `tensor` tells how to read it."""

    model: str
    version: str
    baseline: DriftBaseline | None = None
    inputs: tuple[str, ...] = ()
    tensor: Mapping[str, Any] | None = None


Key = bytes | int
"""A digest, or a sequence number."""
Find = Callable[[bytes], Awaitable[KnownModule | None]]
"""Finds a module of this service by the digest that ML Model shows."""


class KnownModules:
    """Finds modules in the store once, and remembers them: a module never changes."""

    def __init__(self, repository: ModuleRepository) -> None:
        self._repository = repository
        self._known: dict[Key, KnownModule] = {}
        self._unknown: dict[Key, float] = {}

    async def find(self, digest: bytes) -> KnownModule | None:
        """Return the module with a digest; None when this service did not make it."""
        return await self._find(digest, lambda: self._repository.by_module_digest(digest.hex()))

    async def find_sequence(self, number: int) -> KnownModule | None:
        """Return the module that was signed with a sequence number; None when this service signed none with it."""
        return await self._find(number, lambda: self._repository.by_sequence_number(number))

    def remembered(self, key: Key) -> tuple[bool, KnownModule | None]:
        """Return whether a digest or sequence number was looked up lately, and the module that was found."""
        if key in self._known:
            return True, self._known[key]
        return time.monotonic() < self._unknown.get(key, 0.0), None

    async def _find(self, key: Key, look: Callable[[], Awaitable[ModuleRecord | None]]) -> KnownModule | None:
        looked, module = self.remembered(key)
        if looked:
            return module
        record = await look()
        if record is None:
            if len(self._unknown) >= MAXIMUM_UNKNOWN:
                self._unknown.clear()
            self._unknown[key] = time.monotonic() + UNKNOWN_SECONDS
            return None
        self._known[key] = module = known_module(record)
        return module


def known_module(record: ModuleRecord) -> KnownModule:
    """Read what is stored of a module; one without a readable baseline is watched without."""
    inputs = record.facts.get("inputs") or ()
    return KnownModule(
        model=record.model,
        version=record.version,
        baseline=_baseline(record.facts.get("drift")),
        tensor=inputs[0] if inputs else None,
    )


def _baseline(document: object) -> DriftBaseline | None:
    if document is None:
        return None
    try:
        return _BASELINE.validate_python(document)
    except (ValidationError, InvalidDescriptorError):
        return None
