"""The modules of this service, by the digest that a device shows of what it runs."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
SEQUENCES_AT_ONCE = 500


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
        looked, module = self.remembered(digest)
        if looked:
            return module
        return self._remember(digest, await self._repository.by_module_digest(digest.hex()))

    async def find_sequences(self, numbers: Iterable[int]) -> None:
        """Look up the modules that were signed with these sequence numbers, as far as they are not `remembered`."""
        unknown = sorted({number for number in numbers if not self.remembered(number)[0]})
        for start in range(0, len(unknown), SEQUENCES_AT_ONCE):
            asked = unknown[start : start + SEQUENCES_AT_ONCE]
            records = {one.facts["sequence_number"]: one for one in await self._repository.by_sequence_numbers(asked)}
            for number in asked:
                self._remember(number, records.get(number))

    def remembered(self, key: Key) -> tuple[bool, KnownModule | None]:
        """Return whether a digest or sequence number was looked up lately, and the module that was found."""
        if key in self._known:
            return True, self._known[key]
        return time.monotonic() < self._unknown.get(key, 0.0), None

    def _remember(self, key: Key, record: ModuleRecord | None) -> KnownModule | None:
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
