"""The graph: tensors by name and operations in an order in which they can run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lwm2m_ml.compiler.ir.operation import Operation
from lwm2m_ml.compiler.ir.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Graph:
    """An immutable graph; a change makes a new one."""

    tensors: Mapping[str, Tensor]
    operations: tuple[Operation, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def tensor(self, name: str) -> Tensor:
        """The tensor of a name."""
        return self.tensors[name]

    def operands(self, operation: Operation) -> tuple[Tensor, ...]:
        """The tensors an operation reads."""
        return tuple(self.tensors[name] for name in operation.inputs)

    def result(self, operation: Operation) -> Tensor:
        """The tensor an operation writes."""
        return self.tensors[operation.output]

    def producers(self) -> dict[str, Operation]:
        """The operation that writes each computed tensor."""
        return {operation.output: operation for operation in self.operations}

    def consumers(self) -> dict[str, list[Operation]]:
        """The operations that read each tensor, in order."""
        readers: dict[str, list[Operation]] = {name: [] for name in self.tensors}
        for operation in self.operations:
            for name in dict.fromkeys(operation.inputs):
                readers[name].append(operation)
        return readers

    def with_tensors(self, tensors: Iterable[Tensor]) -> "Graph":
        """The graph with tensors added or replaced by name."""
        return replace(self, tensors={**self.tensors, **{tensor.name: tensor for tensor in tensors}})

    def with_operations(self, operations: Iterable[Operation]) -> "Graph":
        """The graph with other operations."""
        return replace(self, operations=tuple(operations))

    def renamed(self, names: Mapping[str, str]) -> "Graph":
        """The graph in which readers of one tensor read another instead; chains of renaming are followed."""

        def final(name: str) -> str:
            while name in names:
                name = names[name]
            return name

        operations = tuple(
            replace(operation, inputs=tuple(final(name) for name in operation.inputs)) for operation in self.operations
        )
        return replace(self, operations=operations, outputs=tuple(final(name) for name in self.outputs))
