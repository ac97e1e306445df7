"""Fetches inputs from devices (ML Inference Result, Capture; object 19): with consent, and within a quota.

Raw inputs are what is most private of a device, so nothing is asked for unless somebody allowed it for that device, and
no more than the quota within any 24 hours.
"""

import asyncio
import time
from dataclasses import dataclass

import structlog

from lwm2m_ml.errors import ConflictError, InvalidInputError, NotFoundError, UsageError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.monitoring.captured_input import CapturedInput, read_captured_input
from lwm2m_ml.service.monitoring.known_modules import Find, KnownModule
from lwm2m_ml.service.monitoring.survey import survey
from lwm2m_ml.service.resources import ResultResource
from lwm2m_ml.store.captures import CaptureRecord, CaptureRepository, ConsentRecord

log = structlog.get_logger(__name__)

DAY = 86_400.0
MAXIMUM_PER_DAY = 1_000


@dataclass(frozen=True, slots=True)
class CaptureTiming:
    """How often a device is asked whether it has the input, and for how long, in seconds."""

    poll: float = 1.0
    patience: float = 120.0


class Captures:
    """Consents, quotas and captured inputs."""

    def __init__(
        self,
        access: DeviceAccess,
        repository: CaptureRepository,
        find: Find,
        *,
        model_object: int,
        result_object: int,
        timing: CaptureTiming = CaptureTiming(),
    ) -> None:
        self._access = access
        self._repository = repository
        self._find = find
        self._objects = (model_object, result_object)
        self._timing = timing
        self._turns: dict[str, asyncio.Lock] = {}

    async def allow(self, endpoint: str, per_day: int, who: str) -> ConsentRecord:
        """Allow to ask a device for inputs; raises `UsageError` for a quota that is none."""
        if not 1 <= per_day <= MAXIMUM_PER_DAY:
            raise UsageError(f"A quota is 1 to {MAXIMUM_PER_DAY} inputs a day, not {per_day}")
        consent = ConsentRecord(endpoint, per_day, who)
        await self._repository.grant(consent)
        log.info("captures allowed", endpoint=endpoint, per_day=per_day, by=who)
        return consent

    async def forbid(self, endpoint: str) -> None:
        """Ask a device for no more inputs, and forget those that it gave."""
        await self._repository.withdraw(endpoint)
        await self._repository.delete_of(endpoint)
        log.info("captures forbidden and forgotten", endpoint=endpoint)

    async def consents(self) -> tuple[ConsentRecord, ...]:
        """Return who may be asked."""
        return await self._repository.consents()

    async def left_today(self, endpoint: str) -> int:
        """Return how many inputs a device may still be asked for; 0 without consent."""
        consent = await self._repository.consent(endpoint)
        if consent is None:
            return 0
        return max(0, consent.per_day - await self._repository.count_since(endpoint, time.time() - DAY))

    async def capture(self, endpoint: str) -> CaptureRecord:
        """Have a device keep its next input, fetch it and store it.

        Raises `ConflictError` without consent, beyond the quota, or when the device runs no module of this service;
        `NotFoundError` when no input comes within the time; `InvalidInputError` when what comes is none.
        """
        async with self._turns.setdefault(endpoint, asyncio.Lock()):
            await self._check(endpoint)
            slot, module = await self._module(endpoint)
            captured = await self._fetch(endpoint, slot)
            record = _record(endpoint, module, captured)
            await self._repository.add(record)
        log.info("input captured", endpoint=endpoint, model=module.model, number=record.number)
        return record

    async def _check(self, endpoint: str) -> None:
        consent = await self._repository.consent(endpoint)
        if consent is None:
            raise ConflictError(
                f"{endpoint} may not be asked for inputs", hint="Allow it with: lwm2m-ml captures allow ENDPOINT"
            )
        if not await self.left_today(endpoint):
            raise ConflictError(f"{endpoint} has given its {consent.per_day} inputs of the last 24 hours")

    async def _module(self, endpoint: str) -> tuple[int, KnownModule]:
        for finding in await survey(self._access, endpoint, *self._objects):
            module = await self._find(finding.digest)
            if module is not None and module.tensor is not None:
                return finding.slot, module
        raise ConflictError(f"{endpoint} runs no module of this service")

    async def _fetch(self, endpoint: str, slot: int) -> CapturedInput:
        result = ObjectPath(self._objects[1], slot)
        before = await read_captured_input(self._access, endpoint, result)
        await self._access.execute(endpoint, result.child(ResultResource.CAPTURE))
        began = time.monotonic()
        while time.monotonic() - began < self._timing.patience:
            await asyncio.sleep(self._timing.poll)
            found = await read_captured_input(self._access, endpoint, result)
            if found is not None and found != before:
                return found
        raise NotFoundError(
            f"{endpoint} kept no input within {self._timing.patience:.0f} s", hint="Does it infer at all at the moment?"
        )


def _record(endpoint: str, module: KnownModule, captured: CapturedInput) -> CaptureRecord:
    tensor = module.tensor or {}
    if len(captured.data) != tensor.get("bytes"):
        raise InvalidInputError(
            f"{endpoint} gave an input of {len(captured.data)} B, {module.model} {module.version} takes "
            f"{tensor.get('bytes')} B"
        )
    return CaptureRecord(
        endpoint=endpoint,
        model=module.model,
        version=module.version,
        number=captured.result_number,
        tensor=dict(tensor),
        content=captured.data,
        series=captured.series,
    )
