"""Has a device infer an input that an operator gives, through ML Probe (object 42773), and reads the answer.

The input is quantised here as the module's descriptor says; the answer is what the device's own processor computed.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from lwm2m_ml.errors import ConflictError, InvalidInputError, UnavailableError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.service.devices import Devices
from lwm2m_ml.service.resources import ModelResource, ProbeResource, ProbeState
from lwm2m_ml.store.modules import ModuleRecord

LIMITS = {"int8": (-128, 127, 1), "uint8": (0, 255, 1), "int16": (-32_768, 32_767, 2)}
"""Of the integers of a tensor: least, greatest, bytes."""
IN_USE = frozenset({2, 3})
"""ML Model, State: trial and active."""
LOOKS, LOOK_SECONDS = 60, 0.5
"""How often, and how far apart, a device is asked whether it is done."""
PERCENT = 100.0

FindModule = Callable[[str], Awaitable[ModuleRecord | None]]
Labels = Callable[[str, str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What a device answered. Scores in percent, latency in ms at its clock; `outputs` are the device's integers.

    Instructions are None on a device that does not count them.
    """

    endpoint: str
    model: str
    version: str
    variant: str
    class_index: int
    label: str
    scores: tuple[float, ...]
    outputs: tuple[int, ...]
    instructions: int | None
    latency: float | None


class Probes:
    """One probe at a time on each device."""

    def __init__(self, devices: Devices, find: FindModule, labels: Labels, *, model: int, probe: int) -> None:
        """`find` finds a module by the digest that devices show; `model` and `probe` are the objects' numbers."""
        self._devices = devices
        self._find = find
        self._labels = labels
        self._model = model
        self._probe = probe
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, endpoint: str, inputs: Sequence[float]) -> ProbeAnswer:
        """Infer one input, flattened, with the module that the device uses.

        Raises `ConflictError` where the device cannot be probed or runs nothing of this service, `InvalidInputError`
        for an input of another size, `UnavailableError` when the module fails, and the device's own errors.
        """
        if not any(path.startswith(f"/{self._probe}/") for path in self._devices.get(endpoint).objects):
            raise ConflictError(
                f"{endpoint} takes no inputs from here: it has no ML Probe object ({self._probe})",
                hint="Choose a simulated device, or add the object to the firmware",
            )
        turn = self._turns.setdefault(endpoint, asyncio.Lock())
        async with turn:
            slot, module = await self._in_use(endpoint)
            tensor = quantised(inputs, module.facts["inputs"])
            path = f"/{self._probe}/0/{ProbeResource.INPUT:d}"
            await self._devices.write(endpoint, path, {f"{path}/0": base64.b64encode(tensor).decode()})
            await self._devices.execute(endpoint, f"/{self._probe}/0/{ProbeResource.RUN:d}", f"0='{slot}'")
            return self._answer(endpoint, module, await self._done(endpoint))

    async def _in_use(self, endpoint: str) -> tuple[int, ModuleRecord]:
        """The slot and the module that the device uses, the first where there are several."""
        slots: dict[int, dict[int, Value | None]] = {}
        for record in await self._devices.read(endpoint, f"/{self._model}"):
            path = record.path
            if path.instance_id is not None and path.resource_id is not None and path.resource_instance_id is None:
                slots.setdefault(path.instance_id, {})[path.resource_id] = record.value
        for slot, values in sorted(slots.items()):
            digest = values.get(ModelResource.MODULE_DIGEST)
            if values.get(ModelResource.STATE) not in IN_USE or not isinstance(digest, bytes):
                continue
            module = await self._find(digest.hex())
            if module is not None:
                return slot, module
        raise ConflictError(f"{endpoint} runs no model of this service", hint="Deploy one to it first")

    async def _done(self, endpoint: str) -> Mapping[ObjectPath, Value | None]:
        for _ in range(LOOKS):
            values = _by_path(await self._devices.read(endpoint, f"/{self._probe}/0"))
            state = values.get(ObjectPath(self._probe, 0, ProbeResource.STATE))
            if state == ProbeState.DONE:
                return values
            if state == ProbeState.FAILED:
                raise UnavailableError(f"The module on {endpoint} failed", hint="Roll it back, or deploy another one")
            await asyncio.sleep(LOOK_SECONDS)
        raise UnavailableError(f"{endpoint} is not done after {LOOKS * LOOK_SECONDS:.0f} s", hint="Try again later")

    def _answer(self, endpoint: str, module: ModuleRecord, values: Mapping[ObjectPath, Value | None]) -> ProbeAnswer:
        output = values.get(ObjectPath(self._probe, 0, ProbeResource.OUTPUT, 0))
        digest = values.get(ObjectPath(self._probe, 0, ProbeResource.MODULE_DIGEST))
        if not isinstance(output, bytes) or (isinstance(digest, bytes) and digest.hex() != _digest(module)):
            raise UnavailableError(f"{endpoint} changed its module meanwhile", hint="Try again")
        tensor = module.facts["outputs"][0]
        outputs = integers(output, tensor["dtype"])
        scores = tuple((value - tensor["zero_point"]) * tensor["scale"] * PERCENT for value in outputs)
        best = max(range(len(outputs)), key=lambda index: outputs[index])
        labels = self._labels(module.model, module.version)
        latency = values.get(ObjectPath(self._probe, 0, ProbeResource.LATENCY))
        instructions = values.get(ObjectPath(self._probe, 0, ProbeResource.INSTRUCTIONS))
        return ProbeAnswer(
            endpoint=endpoint,
            model=module.model,
            version=module.version,
            variant=module.variant,
            class_index=best,
            label=labels[best] if best < len(labels) else "",
            scores=scores,
            outputs=outputs,
            instructions=instructions if isinstance(instructions, int) else None,
            latency=float(latency) if isinstance(latency, int | float) else None,
        )


def quantised(values: Sequence[float], tensors: Sequence[Mapping[str, Any]]) -> bytes:
    """Turn numbers into the integers of a module's only input: half to even, then saturated (ONNX QuantizeLinear)."""
    if len(tensors) != 1:
        raise ConflictError(f"The module takes {len(tensors)} inputs, one can be given")
    (tensor,) = tensors
    if tensor["dtype"] not in LIMITS:
        raise ConflictError(f"The module takes {tensor['dtype']}, integers can be given")
    least, greatest, size = LIMITS[tensor["dtype"]]
    if len(values) * size != tensor["bytes"]:
        shape = "×".join(map(str, tensor["shape"]))
        raise InvalidInputError(f"The module takes {tensor['bytes'] // size:,} numbers ({shape}), not {len(values):,}")
    scale, zero = tensor["scale"], tensor["zero_point"]
    whole = (min(max(round(value / scale) + zero, least), greatest) for value in values)
    return b"".join(value.to_bytes(size, "little", signed=least < 0) for value in whole)


def integers(data: bytes, dtype: str) -> tuple[int, ...]:
    """Read the integers of a tensor; raises `ConflictError` for other types."""
    if dtype not in LIMITS:
        raise ConflictError(f"The module answers {dtype}, integers can be read")
    least, _, size = LIMITS[dtype]
    parts = (data[start : start + size] for start in range(0, len(data), size))
    return tuple(int.from_bytes(part, "little", signed=least < 0) for part in parts)


def _by_path(records: Sequence[Record]) -> dict[ObjectPath, Value | None]:
    return {record.path: record.value for record in records}


def _digest(module: ModuleRecord) -> str:
    return str(module.facts["module_digest"])
