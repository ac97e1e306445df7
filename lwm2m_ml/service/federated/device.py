"""One device in one round, over LwM2M: what runs there, the task down, the update up (object 42772)."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.learning.terms import LearningResult, LearningState, Method, VectorEncoding
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.server.errors import OperationError
from lwm2m_ml.service.campaigns.reported import read_modules
from lwm2m_ml.service.device_access import DeviceAccess
from lwm2m_ml.service.federated.plan import Encoding, FederatedPlan, Mode
from lwm2m_ml.service.federated.run import FederatedRun
from lwm2m_ml.service.resources import LearningResource

METHODS = {Mode.AVERAGING: Method.AVERAGING, Mode.PARAMETER_SERVER: Method.GRADIENT}
ENCODINGS = {
    Encoding.FLOAT32: VectorEncoding.FLOAT32,
    Encoding.FLOAT16: VectorEncoding.FLOAT16,
    Encoding.INT8: VectorEncoding.INT8,
}


class CannotLearn(Lwm2mMlError):
    """A device does not take part, and why."""


class LearningAccess(DeviceAccess, Protocol):
    """What rounds ask of devices besides."""

    def awake(self, endpoint: str) -> bool:
        """Whether the device is registered and an operation would be sent at once."""

    def traffic(self, endpoint: str) -> tuple[int, int]:
        """Return the bytes of UDP payload that came from a device and went to it since it registered."""

    async def write_records(self, endpoint: str, path: ObjectPath, records: Sequence[Record], within: float) -> None:
        """Write several resources of an instance in one message, the others stay as they are."""


@dataclass(frozen=True, slots=True)
class Learner:
    """The slot of a device that learns: its instance of ML Learning, and the digest of its module."""

    endpoint: str
    slot: int
    module_digest: bytes


@dataclass(frozen=True, slots=True)
class LearningObjects:
    """The numbers in use of ML Model and ML Learning, and how often a device is asked whether it is ready."""

    model: int
    learning: int
    poll: float = 0.5


@dataclass(frozen=True, slots=True)
class Costs:
    """What a device tells of its last session."""

    instructions: int | None = None
    joules: float | None = None


class LearningDevice:
    """The LwM2M operations of a round on one device; they raise `OperationError`s and `CannotLearn`."""

    def __init__(self, access: LearningAccess, objects: LearningObjects, endpoint: str) -> None:
        self._access = access
        self._objects = objects
        self._endpoint = endpoint

    async def find(self, run: FederatedRun) -> Learner:
        """Return the slot whose module is the run's model and can learn."""
        slots = self._access.instances(self._endpoint, self._objects.learning)
        if not slots:
            raise CannotLearn(f"{self._endpoint} has no object {self._objects.learning}")
        modules = await read_modules(self._access, self._endpoint, self._objects.model)
        running = [one for one in modules if one.in_use and (one.name, one.version) == (run.model, run.version)]
        for module in running:
            if module.slot not in slots:
                continue
            path = ObjectPath(self._objects.learning, module.slot, LearningResource.PARAMETERS)
            count = _single(await self._access.read(self._endpoint, path))
            if count == run.parameters:
                return Learner(self._endpoint, module.slot or 0, module.digest)
            raise CannotLearn(f"{self._endpoint} learns {count} parameters, the run has {run.parameters}")
        raise CannotLearn(f"{self._endpoint} does not run {run.model} {run.version}")

    async def begin(self, learner: Learner, plan: FederatedPlan, token: bytes, weights: bytes) -> None:
        """Write the task and the weights, and let the device learn."""
        instance = self._instance(learner)
        values: dict[LearningResource, Value] = {
            LearningResource.TOKEN: token,
            LearningResource.METHOD: int(METHODS[plan.mode]),
            LearningResource.EPOCHS: plan.local.epochs,
            LearningResource.BATCH_SIZE: plan.local.batch,
            LearningResource.LEARNING_RATE: plan.local.rate,
            LearningResource.MOMENTUM: plan.local.momentum,
            LearningResource.CLIPPING_NORM: plan.privacy.clip,
            LearningResource.UPDATE_ENCODING: int(ENCODINGS[plan.encoding]),
            LearningResource.TELL_STATISTICS: plan.privacy.noise == 0,
            LearningResource.WEIGHTS: weights,
        }
        records = [Record(instance.child(number), value) for number, value in values.items()]
        await self._access.write_records(self._endpoint, instance, records, plan.sampling.seconds)
        await self._access.execute(self._endpoint, instance.child(LearningResource.LEARN))

    async def update(self, learner: Learner) -> bytes:
        """Wait until the device has learnt; returns what it gives."""
        instance = self._instance(learner)
        while True:
            state = _single(await self._access.read(self._endpoint, instance.child(LearningResource.STATE)))
            if state == LearningState.READY:
                break
            if state != LearningState.LEARNING:
                result = _single(await self._access.read(self._endpoint, instance.child(LearningResource.RESULT)))
                raise CannotLearn(f"{self._endpoint} could not learn: {_words(result)}")
            await asyncio.sleep(self._objects.poll)
        content = _single(await self._access.read(self._endpoint, instance.child(LearningResource.UPDATE)))
        if not isinstance(content, bytes):
            raise CannotLearn(f"{self._endpoint} gave no update")
        return content

    async def costs(self, learner: Learner) -> Costs:
        """Return what the session took, as far as the device tells."""
        values: dict[int, object] = {}
        for number in (LearningResource.INSTRUCTIONS, LearningResource.ENERGY):
            with contextlib.suppress(OperationError):
                path = self._instance(learner).child(number)
                values[number] = _single(await self._access.read(self._endpoint, path))
        instructions, joules = values.get(LearningResource.INSTRUCTIONS), values.get(LearningResource.ENERGY)
        return Costs(
            instructions if isinstance(instructions, int) and 0 <= instructions < 1 << 60 else None,
            joules if isinstance(joules, float) and 0 <= joules < 1e9 else None,
        )

    async def adopt(self, learner: Learner, weights: bytes, within: float) -> None:
        """Let the device infer with these weights."""
        instance = self._instance(learner)
        record = Record(instance.child(LearningResource.WEIGHTS), weights)
        await self._access.write_records(self._endpoint, instance, [record], within)
        await self._access.execute(self._endpoint, instance.child(LearningResource.ADOPT))

    async def stop(self, learner: Learner) -> None:
        """Let the device forget what it does; whether it hears that does not matter."""
        with contextlib.suppress(OperationError):
            await self._access.execute(self._endpoint, self._instance(learner).child(LearningResource.CANCEL))

    def _instance(self, learner: Learner) -> ObjectPath:
        return ObjectPath(self._objects.learning, learner.slot)


def _single(records: Sequence[Record]) -> object:
    return records[0].value if len(records) == 1 else None


def _words(result: object) -> str:
    if not isinstance(result, int) or result not in set(LearningResult):
        return "it does not say why"
    return LearningResult(result).name.lower().replace("_", " ")
