"""What every backend offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lwm2m_ml.compiler.ir import Graph
from lwm2m_ml.compiler.targets import Target


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
    """Machine code and the facts that are known without running it. Offsets are from the start of the arena.

    `format` is what kind of code it is: `native-pic` or `wasm`.
    """

    code: bytes
    format: str
    arena_bytes: int
    lower_bound_arena_bytes: int
    offsets: Mapping[str, int]
    layers: tuple[LayerFact, ...]
    buffers: tuple[ArenaBuffer, ...]


class Backend(Protocol):
    """Makes payloads. `name` and `abi` go into the module's descriptor."""

    @property
    def name(self) -> str:
        """The name of the backend."""

    @property
    def abi(self) -> str:
        """Version of the interface between the payload and the device."""

    def supports(self, target: Target) -> bool:
        """Whether it can make a payload for the target."""

    def build(self, graph: Graph, target: Target, optimize: str) -> Payload:
        """The payload of an int8 graph."""

    def layer_instructions(
        self, graph: Graph, target: Target, optimize: str, inputs: Mapping[str, bytes]
    ) -> tuple[int, ...]:
        """Instructions that each layer of the payload takes for these inputs, measured."""
