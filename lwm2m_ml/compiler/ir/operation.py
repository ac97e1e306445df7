"""One operation of the graph."""

from dataclasses import dataclass

from lwm2m_ml.compiler.ir.kinds import Kind


@dataclass(frozen=True, slots=True)
class Operation:
    """Computes tensor `output` from tensors `inputs`; `name` tells the reader where in the model it comes from."""

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    output: str

    @property
    def kind_name(self) -> str:
        """The name of the kind."""
        return type(self.kind).__name__
