"""One operation of the graph."""

from dataclasses import dataclass

from lwm2m_ml.compiler.ir.kinds import Kind
from lwm2m_ml.compiler.ir.signals import SIGNAL_NAME


@dataclass(frozen=True, slots=True)
class Operation:
    """Computes tensor `output` from tensors `inputs`; `name` tells the reader where in the model it comes from."""

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    output: str

    @property
    def is_signal(self) -> bool:
        """Whether it works on a signal or its spectrum, and stays in float32 whatever the rest becomes."""
        return self.name == SIGNAL_NAME

    @property
    def kind_name(self) -> str:
        """The name of the kind."""
        return type(self.kind).__name__
