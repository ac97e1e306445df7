"""The compiler plugin interface, version 1: what a backend declares, what it is asked, what it answers.

A backend is an object with a `declaration` and a `build`, named by an entry point of the group `lwm2m_ml.backends`.
It gets the model twice, as the compiler's graph and as ONNX, and gives a payload. What it claims of the payload is not
believed: the payload is run, and what can be measured is measured. `docs/write-a-backend.md` is the guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import ConfigDict

from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.targets import Target

INTERFACE_VERSION = "1.0"
ENTRY_POINT_GROUP = "lwm2m_ml.backends"
DATA_TYPES = ("int8", "int16x8", "float32")


class Format(StrEnum):
    """What a payload is. The number is that of ML Device Capabilities, resource Supported Module Formats.

    Sources have no number: they are linked into a firmware, never sent to a device.
    """

    TFLITE = "tflite"
    WASM = "wasm"
    NATIVE = "native-pic"
    C_SOURCES = "c-sources"

    @property
    def number(self) -> int | None:
        """The number of LwM2M object 42769, resource 11; None for what is not delivered as a module."""
        return _FORMAT_NUMBERS.get(self)


_FORMAT_NUMBERS = {Format.TFLITE: 0, Format.WASM: 1, Format.NATIVE: 2}


class Basis(StrEnum):
    """Where a figure is from."""

    MEASURED = "measured"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a payload takes on the device; None is unknown. `source` names the tool or model behind the figures."""

    basis: Basis
    source: str
    flash_bytes: int
    ram_bytes: int | None = None
    instructions: int | None = None
    latency_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a backend can do, as plain data: it is read before a backend is asked anything.

    `version` is that of the compiler behind it and goes into build keys. A target is served when it has one of the
    `architectures`, all flags of `instruction_set` and one of the `accelerators`; an empty tuple asks for nothing.
    `operators` are kinds of the graph (`FullyConnected`), None for all; `data_types` are `int8`,
    `int16x8` (results of 16 bits, weights of 8) and `float32`.
    """

    name: str
    version: str
    formats: tuple[str, ...]
    summary: str = ""
    architectures: tuple[str, ...] = ()
    instruction_set: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    operators: tuple[str, ...] | None = None
    data_types: tuple[str, ...] = ("int8",)
    interface: str = INTERFACE_VERSION


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the device can do beyond its target; None where it does not tell, or no device is meant.

    `formats` are values of `Format`, `operators` names of TFLite's operators that its interpreter has.
    """

    formats: tuple[str, ...] | None = None
    operators: tuple[str, ...] | None = None
    data_types: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Constraints:
    """What the payload has to stay within, in bytes, and what it is optimised for; None is no limit."""

    optimize: str = "balanced"
    flash_bytes: int | None = None
    ram_bytes: int | None = None


ANY_DEVICE = Capabilities()
NO_LIMITS = Constraints()


@dataclass(frozen=True, slots=True)
class Request:
    """One model for one target.

    `graph` is quantised unless the caller wants float32, verified, and in an order in which it can run. `onnx` is the
    same model as an ONNX file (opset 17, QuantizeLinear and DequantizeLinear around each operation); it is empty when
    ONNX has no word for one of the operations.
    """

    graph: Graph
    onnx: bytes
    target: Target
    capabilities: Capabilities = ANY_DEVICE
    constraints: Constraints = NO_LIMITS


@dataclass(frozen=True, slots=True)
class LayerFact:
    """Which kernel computes an operation, and the working memory that it takes beside its operands."""

    operation: str
    kind: str
    kernel: str
    result_shape: tuple[int, ...]
    macs: int
    weight_bytes: int
    scratch_bytes: int
    result_offset: int


@dataclass(frozen=True, slots=True)
class ArenaBuffer:
    """A piece of the arena, needed from step `first_use` to step `last_use`; inputs are there at step 0.

    Steps count the layers from 1. A buffer may lie over another that ends where it begins.
    """

    name: str
    offset: int
    bytes: int
    first_use: int
    last_use: int


@dataclass(frozen=True, slots=True)
class Payload:
    """What a backend made.

    `code` is the file itself, of one of the declared formats. `offsets` tell where the graph's inputs and outputs lie
    in the arena of `arena_bytes` bytes; an interpreter's file has none, and says how much memory its tensors take.
    Where the arena is in several pieces, `bank_bytes` has the length of each; offsets count through them as if they
    adjoined, and native code gets their addresses one after the other.

    `operators` are those that a resident interpreter must have. `files` lie beside the module when it is written.
    `executed_on` names the target whose emulated core proves the payload, where that is another than the one asked for.
    """

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", strict=True)

    code: bytes
    format: str
    arena_bytes: int
    offsets: Mapping[str, int] = field(default_factory=dict)
    cost: Cost | None = None
    abi: str = "1.0.0"
    operators: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    executed_on: str | None = None
    bank_bytes: tuple[int, ...] = ()
    lower_bound_arena_bytes: int = 0
    layers: tuple[LayerFact, ...] = ()
    buffers: tuple[ArenaBuffer, ...] = ()


class Backend(Protocol):
    """Makes payloads."""

    @property
    def declaration(self) -> Declaration:
        """What it can do."""

    def build(self, request: Request) -> Payload:
        """Make the payload of a model; raises `Lwm2mMlError` with a sentence for what it cannot do."""
