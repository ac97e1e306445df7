"""The state of reading one ONNX model, and access to a node's operands and attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy

from lwm2m_ml.compiler.errors import UnreadableModel, UnsupportedOperator
from lwm2m_ml.compiler.frontends.layout import constant_to_channels_last
from lwm2m_ml.compiler.ir import Quantization
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import Kind
from lwm2m_ml.compiler.ir.tensor import Array


@dataclass(frozen=True, slots=True)
class Node:
    """One ONNX operator. `place` is how messages call it."""

    operator: str
    place: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, object]

    @property
    def label(self) -> str:
        """The name of the operations that it becomes."""
        return f"{self.operator} {self.place}"

    def has_input(self, index: int) -> bool:
        """Whether an optional operand is given."""
        return index < len(self.inputs) and bool(self.inputs[index])

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise TypeError(f"attribute {name} is not an integer")
        return value

    def real(self, name: str, default: float) -> float:
        """A float attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, (int, float)):
            raise TypeError(f"attribute {name} is not a number")
        return float(value)

    def integers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A list of integers."""
        value = self.attributes.get(name, default)
        if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
            raise TypeError(f"attribute {name} is not a list of integers")
        return value

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default.encode())
        if not isinstance(value, bytes):
            raise TypeError(f"attribute {name} is not a string")
        return value.decode("utf-8", "replace")

    def reals(self, name: str) -> tuple[float, ...]:
        """A list of floats, or a tensor of them; nothing where it is absent."""
        value = self.attributes.get(name, self.attributes.get(f"{name}_as_tensor", ()))
        if isinstance(value, numpy.ndarray):
            value = tuple(value.reshape(-1).tolist())
        if not isinstance(value, tuple) or not all(isinstance(item, (int, float)) for item in value):
            raise TypeError(f"attribute {name} is not a list of numbers")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; nothing where it is absent."""
        value = self.attributes.get(name, ())
        if not isinstance(value, tuple) or not all(isinstance(item, bytes) for item in value):
            raise TypeError(f"attribute {name} is not a list of strings")
        return tuple(item.decode("utf-8", "replace") for item in value)

    def refuse(self, why: str, hint: str = "") -> UnsupportedOperator:
        """The error for a form of the operator that is not supported."""
        return UnsupportedOperator(self.operator, self.place, why=why, hint=hint)


@dataclass(slots=True)
class OnnxImporter:
    """Maps ONNX names to constants (as in the file) and to tensors of the graph (channels last)."""

    opset: int
    builder: GraphBuilder = field(default_factory=GraphBuilder)
    constants: dict[str, Array] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    # What the model says of its constants' quantisation.
    quantizations: dict[str, Quantization] = field(default_factory=dict)

    def shape(self, name: str) -> tuple[int, ...]:
        """The channels-last shape of a tensor of the graph."""
        return self.builder.tensors[name].shape

    def variable(self, name: str, place: str) -> str:
        """The graph's tensor for an ONNX name, which may stand for a constant."""
        if name in self.names:
            return self.names[name]
        if name in self.constants:
            data = self.constants[name]
            self.names[name] = self.builder.constant(name, constant_to_channels_last(data, data.ndim))
            return self.names[name]
        raise UnreadableModel(f"The tensor '{name}' that {place} needs is never defined")

    def operand(self, node: Node, index: int) -> str:
        """The graph's tensor for an operand of a node."""
        if not node.has_input(index):
            raise UnreadableModel(f"Operator {node.operator} at {node.place} lacks operand {index}")
        return self.variable(node.inputs[index], node.place)

    def constant(self, node: Node, index: int) -> Array:
        """The values of an operand that must be constant, as in the file."""
        name = node.inputs[index] if node.has_input(index) else ""
        if name not in self.constants:
            raise node.refuse(f"operand {index} must be a constant", "Simplify the model before exporting it")
        return self.constants[name]

    def weights(self, node: Node, index: int) -> Array:
        """The values of an operand of constant float32 weights."""
        values = self.constant(node, index)
        if values.dtype != numpy.float32:
            raise node.refuse(f"operand {index} is {values.dtype}, not float32", "Export the float model")
        if not numpy.isfinite(values).all():
            raise node.refuse(f"operand {index} holds infinite or undefined numbers")
        return values

    def integers(self, node: Node, index: int, attribute: str) -> tuple[int, ...] | None:
        """Integers given as a constant operand (newer operator sets) or as an attribute (older ones)."""
        if node.has_input(index):
            return tuple(int(value) for value in self.constant(node, index).reshape(-1))
        return node.integers(attribute) if attribute in node.attributes else None

    def add(self, node: Node, kind: Kind, inputs: list[str], suffix: str = "") -> str:
        """Add an operation that computes the node's first result, or a step towards it."""
        wish = node.outputs[0] + suffix
        result = self.builder.add(kind, inputs, wish, name=node.label)
        self.names[node.outputs[0]] = result
        return result

    def weight_constant(self, node: Node, index: int, values: Array, axis: int, *, factor: float = 1.0) -> str:
        """Add a layer's weights, operand `index` rearranged; quantised along `axis` if the model says so."""
        name = self.builder.fresh(f"{node.outputs[0]}.weights")
        given = self.quantizations.get(node.inputs[index])
        count = values.shape[axis]
        if given is None or any(given.zero_points) or len(given.scales) not in (1, count) or factor != 1.0:
            return self.builder.constant(name, values.astype(numpy.float32))
        scales = given.scales if len(given.scales) == count else given.scales * count
        return self.builder.constant(name, values.astype(numpy.float32), Quantization(scales, (0,) * count, axis))

    def float_constant(self, node: Node, suffix: str, values: Array) -> str:
        """Add a float32 constant that belongs to a node."""
        return self.builder.constant(node.outputs[0] + suffix, values.astype(numpy.float32))
