"""What a kernel is: one way to compute one kind of layer on some targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lwm2m_ml.compiler.backends.native.layer import Layer
from lwm2m_ml.compiler.backends.native.program import Program


@dataclass(frozen=True, slots=True)
class Places:
    """Where a layer's tensors and working memory lie, as C expressions of pointers to bytes."""

    operands: tuple[str, ...]
    result: str
    scratch: str


class Kernel(Protocol):
    """Emits C (and assembly) for a layer."""

    @property
    def name(self) -> str:
        """What facts and messages call it."""

    def accepts(self, layer: Layer) -> bool:
        """Whether it can compute the layer, exactly, on the layer's target."""

    def scratch_bytes(self, layer: Layer) -> int:
        """Working memory beside operands and result."""

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """The operands whose memory the result may take over: operand index → bytes of head room.

        With head room h the result may begin h or more bytes before the operand and run into it; 0 is in place.
        """

    def replaces(self, layer: Layer) -> int | None:
        """The operand over which the result may be written, element for element, at exactly the same place."""

    def emit(self, layer: Layer, program: Program, places: Places) -> str:
        """Add functions and constants to the program; return the statement that calls them."""
