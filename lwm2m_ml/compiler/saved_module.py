"""A compiled module as a directory: the payload, its facts as JSON, and the answers that were proved."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy

from lwm2m_ml.compiler.backends.interface import Format
from lwm2m_ml.compiler.errors import UnreadableModule
from lwm2m_ml.compiler.facts import CompiledModule, TensorFact
from lwm2m_ml.compiler.ir import DataType, Quantization
from lwm2m_ml.errors import UsageError

FACTS_FILE = "module.json"
VECTORS_DIRECTORY = "vectors"
_SUFFIXES: Mapping[str, str] = {
    Format.NATIVE: "bin",
    Format.WASM: "wasm",
    Format.TFLITE: "tflite",
    Format.C_SOURCES: "zip",
}
_MAXIMUM_VECTORS = 64
_MAXIMUM_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one inference; no instructions where nothing counts them."""

    outputs: tuple[bytes, ...]
    instructions: int | None
    stack_bytes: int


@dataclass(frozen=True, slots=True)
class RunnableModule:
    """What running a module needs to know of it. `executed_on` is the core that proved it, where it is another one."""

    payload: bytes
    target: str
    arena_bytes: int
    inputs: tuple[TensorFact, ...]
    outputs: tuple[TensorFact, ...]
    format: str = Format.NATIVE
    executed_on: str | None = None
    bank_bytes: tuple[int, ...] = ()

    def run(self, target: Any, inputs: Mapping[str, bytes], *, stack_bytes: int) -> Answer:
        """One inference on the emulated target, or by whatever executes the module's format."""
        if self.format == Format.TFLITE:
            return Answer(self._interpreted(inputs), None, 0)
        from lwm2m_ml.compiler.emulator import open_runner  # noqa: PLC0415 - the emulator is heavy
        from lwm2m_ml.compiler.execution import executable_code  # noqa: PLC0415
        from lwm2m_ml.compiler.targets import load_target  # noqa: PLC0415

        core = target if self.executed_on is None else load_target(self.executed_on)
        code = executable_code(self.payload, self.format, core)
        runner = open_runner(
            code, core, arena_bytes=self.arena_bytes, stack_bytes=stack_bytes, bank_bytes=self.bank_bytes
        )
        done = runner.invoke(
            [(tensor.offset, inputs[tensor.name]) for tensor in self.inputs],
            [(tensor.offset, tensor.bytes) for tensor in self.outputs],
        )
        return Answer(done.outputs, done.instructions, done.stack_bytes)

    def _interpreted(self, inputs: Mapping[str, bytes]) -> tuple[bytes, ...]:
        """LiteRT's answers."""
        from lwm2m_ml.compiler.execution import REAL  # noqa: PLC0415
        from lwm2m_ml.compiler.reference.litert import litert_answers  # noqa: PLC0415

        def quantizations(tensors: tuple[TensorFact, ...]) -> list[Quantization]:
            return [
                REAL if tensor.dtype == "float32" else Quantization.per_tensor(tensor.scale, tensor.zero_point)
                for tensor in tensors
            ]

        given = [numpy.frombuffer(inputs[each.name], each.dtype).reshape(1, *each.shape) for each in self.inputs]
        answers = litert_answers(self.payload, given, quantizations(self.inputs), quantizations(self.outputs))
        if answers is None:
            raise UnreadableModule("LiteRT does not run the module")
        return tuple(answer[0].tobytes() for answer in answers)


def facts_of(module: CompiledModule) -> dict[str, Any]:
    """The facts of a module as JSON holds them."""
    return {
        "target": module.target.name,
        "backend": module.backend,
        "format": module.format,
        "abi": module.abi,
        "isa": list(module.isa),
        "optimize": module.optimize,
        "reference": module.reference,
        "flash_bytes": module.flash_bytes,
        "ram_bytes": module.ram_bytes,
        "arena_bytes": module.arena_bytes,
        "stack_bytes": module.stack_bytes,
        "instructions": module.instructions,
        "macs": module.macs,
        "weight_bytes": module.weight_bytes,
        "lower_bound_arena_bytes": module.lower_bound_arena_bytes,
        "vectors": len(module.vectors),
        "cost": asdict(module.cost),
        "proved_by": module.executor,
        "executed_on": module.executed_on,
        "bank_bytes": list(module.bank_bytes),
        "compiler": module.compiler,
        "operators": list(module.operators),
        "compared_with": list(module.compared_with),
        "max_abs_diff": module.max_abs_diff,
        "exact": module.exact,
        "inputs": [asdict(tensor) for tensor in module.inputs],
        "outputs": [asdict(tensor) for tensor in module.outputs],
        "learning": None if module.learning is None else asdict(module.learning),
    }


def save_module(module: CompiledModule, directory: Path) -> Path:
    """Write the payload, its facts and the proved answers; returns the payload's path."""
    payload = directory / f"module.{_SUFFIXES[module.format]}"
    vectors = directory / VECTORS_DIRECTORY
    try:
        vectors.mkdir(parents=True, exist_ok=True)
        payload.write_bytes(module.payload)
        for name, content in module.files.items():
            (directory / name).write_bytes(content)
        for number, (given, expected) in enumerate(module.vectors[:_MAXIMUM_VECTORS]):
            (vectors / f"{number:02}.input.bin").write_bytes(given)
            (vectors / f"{number:02}.output.bin").write_bytes(expected)
        facts = {"module": payload.name, **facts_of(module)}
        (directory / FACTS_FILE).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"Cannot write to {directory}: {error.strerror or error}") from None
    return payload


def load_module(path: Path) -> RunnableModule:
    """Read what `save_module` wrote: the directory, or the payload in it."""
    directory = path if path.is_dir() else path.parent
    try:
        facts = json.loads(_read(directory / FACTS_FILE))
        name = Path(str(facts["module"])).name
        return RunnableModule(
            payload=_read(directory / name),
            target=str(facts["target"]),
            arena_bytes=int(facts["arena_bytes"]),
            inputs=tuple(map(_tensor, facts["inputs"])),
            outputs=tuple(map(_tensor, facts["outputs"])),
            format=str(facts.get("format", Format.NATIVE)),
            bank_bytes=tuple(int(size) for size in facts.get("bank_bytes", ())),
            executed_on=None if facts.get("executed_on") is None else str(facts["executed_on"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableModule(f"{directory / FACTS_FILE} does not describe a module: {error}") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAXIMUM_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror or error}") from None
    if len(content) > _MAXIMUM_BYTES:
        raise UnreadableModule(f"{path} is larger than {_MAXIMUM_BYTES:,} bytes")
    return content


def _tensor(facts: Mapping[str, Any]) -> TensorFact:
    """One input or output; raises ValueError for what no module has."""
    tensor = TensorFact(
        name=str(facts["name"]),
        shape=tuple(int(length) for length in facts["shape"]),
        dtype=DataType(facts["dtype"]).value,
        scale=float(facts["scale"]),
        zero_point=int(facts["zero_point"]),
        offset=int(facts["offset"]),
        bytes=int(facts["bytes"]),
    )
    if not (math.isfinite(tensor.scale) and tensor.scale > 0 and all(length > 0 for length in tensor.shape)):
        raise ValueError(f"tensor {tensor.name} has no possible scale or shape")
    if math.prod(tensor.shape) * DataType(tensor.dtype).bytes != tensor.bytes:
        raise ValueError(f"tensor {tensor.name} does not have the size of its shape")
    return tensor
