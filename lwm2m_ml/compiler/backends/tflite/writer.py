"""Collects the tables of a LiteRT flatbuffer and packs them, buffers aligned as microcontrollers need them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy
from ai_edge_litert import schema_py_generated as schema

from lwm2m_ml.compiler.ir import Array, DataType, Graph, Quantization, Tensor

_TYPES = {
    DataType.FLOAT32: schema.TensorType.FLOAT32,
    DataType.INT8: schema.TensorType.INT8,
    DataType.UINT8: schema.TensorType.UINT8,
    DataType.INT16: schema.TensorType.INT16,
    DataType.INT32: schema.TensorType.INT32,
    DataType.INT64: schema.TensorType.INT64,
    DataType.BOOL: schema.TensorType.BOOL,
}
# schema.fbs: `data:[ubyte] (force_align: 16)`; the object interface of Python does not do it by itself.
_ALIGNMENT = 16
_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
# Up to here the old, narrow field of an operator code holds the number too; 127 is what says that it does not.
_LAST_NARROW_CODE = 127
# Versions of the int8 kernels (tools/versioning/op_version.cc); 2 for what is not named.
_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "HARD_SWISH": 1,
    "PRELU": 1,
    "RELU_N1_TO_1": 1,
    "RESHAPE": 1,
}
_OTHER_VERSION = 2


class _AlignedBuffer:
    """A BufferT whose bytes begin at a multiple of 16."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def Pack(self, builder: Any) -> Any:
        """Write the table."""
        size = len(self._content)
        builder.StartVector(1, size, _ALIGNMENT)
        builder.head -= size
        builder.Bytes[builder.head : builder.head + size] = self._content
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


@dataclass(slots=True)
class Writer:
    """One subgraph in the making. Tensors are numbered as they are added; equal constants share a buffer."""

    graph: Graph
    _tensors: list[Any] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    _buffer_numbers: dict[bytes, int] = field(default_factory=dict)
    _operators: list[Any] = field(default_factory=list)
    _codes: dict[str, int] = field(default_factory=dict)

    @property
    def operators(self) -> tuple[str, ...]:
        """The names of all operators in use, in alphabetical order."""
        return tuple(sorted(self._codes))

    def number(self, tensor: Tensor) -> int:
        """The number of a tensor of the graph, which is written when it is first asked for."""
        if tensor.name not in self._numbers:
            named = tensor.name in self.graph.inputs or tensor.name in self.graph.outputs
            data = tensor.values if tensor.is_constant else None
            name = tensor.name if named else ""
            self._numbers[tensor.name] = self._add(tensor.shape, tensor.dtype, tensor.quantization, data, name)
        return self._numbers[tensor.name]

    def constant(self, values: Array, quantization: Quantization | None = None) -> int:
        """The number of a new constant tensor."""
        return self._add(tuple(values.shape), DataType(values.dtype.name), quantization, values)

    def variable(self, shape: Sequence[int], dtype: DataType, quantization: Quantization | None) -> int:
        """The number of a new computed tensor that the graph does not have."""
        return self._add(tuple(shape), dtype, quantization)

    def operator(self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None) -> None:
        """Add an operator; `options` is one of the schema's tables."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault(name, len(self._codes))
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            table = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = options
        self._operators.append(operator)

    def finish(self) -> bytes:
        """The file."""
        model, subgraph = schema.ModelT(), schema.SubGraphT()
        model.version, model.subgraphs, model.buffers = _SCHEMA_VERSION, [subgraph], self._buffers
        model.operatorCodes = [_code(name) for name in self._codes]
        subgraph.tensors, subgraph.operators = self._tensors, self._operators
        subgraph.inputs = [self.number(self.graph.tensor(name)) for name in self.graph.inputs]
        subgraph.outputs = [self.number(self.graph.tensor(name)) for name in self.graph.outputs]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _add(
        self,
        shape: tuple[int, ...],
        dtype: DataType,
        quantization: Quantization | None,
        data: Array | None = None,
        name: str = "",
    ) -> int:
        written = schema.TensorT()
        written.name, written.shape, written.type = name, list(shape), _TYPES[dtype]
        written.buffer = 0 if data is None else self._buffer(numpy.ascontiguousarray(data).tobytes())
        if quantization is not None and dtype is not DataType.FLOAT32:
            written.quantization = schema.QuantizationParametersT()
            written.quantization.scale = list(quantization.scales)
            written.quantization.zeroPoint = list(quantization.zero_points)
            written.quantization.quantizedDimension = quantization.axis or 0
        self._tensors.append(written)
        return len(self._tensors) - 1

    def _buffer(self, content: bytes) -> int:
        if content not in self._buffer_numbers:
            self._buffer_numbers[content] = len(self._buffers)
            self._buffers.append(_AlignedBuffer(content))
        return self._buffer_numbers[content]


def _code(name: str) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, name)
    code.deprecatedBuiltinCode = min(code.builtinCode, _LAST_NARROW_CODE)
    code.version = _VERSIONS.get(name, _OTHER_VERSION)
    return code


def options(table: str, **values: Any) -> Any:
    """A table of options; fields as in the schema."""
    made = getattr(schema, f"{table}T")()
    for name, value in values.items():
        setattr(made, name, value)
    return made
