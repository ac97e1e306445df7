"""Building a graph step by step, with shapes inferred and sizes bounded as it grows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy

from lwm2m_ml.compiler.errors import ModelTooLarge
from lwm2m_ml.compiler.ir.data_type import DataType
from lwm2m_ml.compiler.ir.graph import Graph
from lwm2m_ml.compiler.ir.kinds import Kind, Requantize
from lwm2m_ml.compiler.ir.limits import MAXIMUM_OPERATIONS, check_elements, check_work
from lwm2m_ml.compiler.ir.operation import Operation
from lwm2m_ml.compiler.ir.quantization import Quantization
from lwm2m_ml.compiler.ir.shapes import infer_shape
from lwm2m_ml.compiler.ir.tensor import Array, Tensor
from lwm2m_ml.compiler.ir.types import result_type


@dataclass(slots=True)
class GraphBuilder:
    """Collects tensors and operations; every operation's result gets its shape from its operands."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def fresh(self, wish: str) -> str:
        """A name that is not taken yet."""
        name, number = wish, 1
        while name in self.tensors:
            name, number = f"{wish}.{number}", number + 1
        return name

    def variable(
        self, wish: str, shape: Sequence[int], dtype: DataType, quantization: Quantization | None = None
    ) -> str:
        """Add a tensor that is given or computed; returns its name."""
        check_elements(shape, f"Tensor {wish}")
        name = self.fresh(wish)
        self.tensors[name] = Tensor(name, tuple(shape), dtype, quantization)
        return name

    def constant(self, wish: str, data: Array, quantization: Quantization | None = None) -> str:
        """Add a tensor of known values; returns its name."""
        name = self.fresh(wish)
        self.tensors[name] = constant_tensor(name, data, quantization)
        return name

    def add(
        self, kind: Kind, inputs: Sequence[str], wish: str, *, name: str = "", quantization: Quantization | None = None
    ) -> str:
        """Add an operation; returns the name of its result."""
        if len(self.operations) >= MAXIMUM_OPERATIONS:
            raise ModelTooLarge(f"The model has more than {MAXIMUM_OPERATIONS:,} operations")
        operands = [self.tensors[operand] for operand in inputs]
        shape = infer_shape(kind, [operand.shape for operand in operands])
        check_work(kind, [operand.shape for operand in operands], shape)
        output = self.variable(wish, shape, result_type(kind, operands[0].dtype), quantization)
        self.operations.append(Operation(name or output, kind, tuple(inputs), output))
        return output

    def annotate(self, name: str, quantization: Quantization, *, name_of_step: str = "") -> str:
        """Say how a float tensor is to be quantised; one that is quantised otherwise already gets a second form."""
        tensor = self.tensors[name]
        if tensor.quantization is None:
            self.tensors[name] = replace(tensor, quantization=quantization)
        elif tensor.quantization != quantization:
            return self.add(Requantize(), [name], f"{name}.requantized", name=name_of_step, quantization=quantization)
        return name

    def finish(self, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        """The graph as built."""
        return Graph(dict(self.tensors), tuple(self.operations), tuple(inputs), tuple(outputs))


def constant_tensor(name: str, data: Array, quantization: Quantization | None = None) -> Tensor:
    """A tensor of known values, which nobody can change afterwards."""
    values = numpy.ascontiguousarray(data)
    if values is data:
        values = values.copy()
    values.setflags(write=False)
    return Tensor(name, tuple(values.shape), DataType(values.dtype.name), quantization, values)
