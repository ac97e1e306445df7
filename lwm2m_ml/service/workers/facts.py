"""What workers answer: facts as plain data, free of the compiler's own types."""

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from lwm2m_ml.service.monitoring.baseline import DriftBaseline


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What reading a model tells."""

    weights: int


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """An input or output of a module: where it is in the arena and how its integers are to be read."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LearningFacts:
    """Of a module that learns: so many parameters of so many layers, and where in the arena they lie.

    `state_bytes` have to stay from call to call; `instructions` are those of an example and a step.
    """

    layers: int
    parameters: int
    offset: int
    state_bytes: int
    instructions: int


@dataclass(frozen=True, slots=True)
class BackendFacts:
    """A compiler's backend for a device: the class that it stands in, why there, and what speaks against it."""

    name: str
    version: str
    place: int
    why: str
    against: str = ""


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """What was measured of a module on the emulated MCU.

    Sizes in bytes; instructions per inference, None for an interpreter's module, which nothing here counts.
    `plan_digest` is of all that was decided on the way to the code.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")

    target: str
    isa: tuple[str, ...]
    backend: str
    backend_version: str
    plan_digest: bytes
    format: int
    abi: str
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    instructions: int | None
    macs: int
    weight_bytes: int
    lower_bound_arena_bytes: int
    max_abs_diff: int
    exact: bool
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    vectors: tuple[tuple[bytes, bytes], ...]
    drift: DriftBaseline | None = None
    operators: tuple[str, ...] = ()
    learning: LearningFacts | None = None

    def to_json(self) -> dict[str, Any]:
        """Turn the facts into what the store keeps."""
        document: dict[str, Any] = BUILD_FACTS.dump_python(self, mode="json")
        return document

    @classmethod
    def from_json(cls, document: object) -> "BuildFacts":
        """Read stored facts."""
        return BUILD_FACTS.validate_python(document)


BUILD_FACTS: TypeAdapter[BuildFacts] = TypeAdapter(BuildFacts)


@dataclass(frozen=True, slots=True)
class BuildAnswer:
    """A built module: machine code and facts."""

    payload: bytes
    facts: BuildFacts


@dataclass(frozen=True, slots=True)
class ReferenceAnswers:
    """The integer outputs of the reference, one flattened tuple per input, and how to read them."""

    outputs: tuple[tuple[int, ...], ...]
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class ExplanationAnswer:
    """A module layer by layer, as plain data, and its files in a ZIP archive."""

    facts: dict[str, Any]
    archive: bytes
