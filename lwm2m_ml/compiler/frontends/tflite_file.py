"""A TFLite flatbuffer as plain facts. Everything is bounded and copied out here; nothing else touches the buffer."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import tflite

from lwm2m_ml.compiler.errors import ModelTooLarge, UnreadableModel, UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.ir import Array, DataType, Quantization
from lwm2m_ml.compiler.ir.limits import MAXIMUM_OPERATIONS, check_elements

_SCHEMA_VERSION = 3
_MAXIMUM_RANK = 8
_MAXIMUM_OPERANDS = 256
_TYPES: Mapping[int, DataType] = {
    tflite.TensorType.FLOAT32: DataType.FLOAT32,
    # Weights only: they are unpacked when they are read.
    tflite.TensorType.FLOAT16: DataType.FLOAT32,
    tflite.TensorType.INT8: DataType.INT8,
    tflite.TensorType.UINT8: DataType.UINT8,
    tflite.TensorType.INT16: DataType.INT16,
    tflite.TensorType.INT32: DataType.INT32,
    tflite.TensorType.INT64: DataType.INT64,
    tflite.TensorType.BOOL: DataType.BOOL,
}
_OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
# What damaged offsets and lengths make the flatbuffer library raise.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class FileTensor:
    """A tensor of the file."""

    name: str
    shape: tuple[int, ...]
    dtype: DataType
    quantization: Quantization | None
    data: Array | None


@dataclass(frozen=True, slots=True)
class FileOperator:
    """An operator of the file; an operand of -1 is left out. `options` is the flatbuffer union, as bytes and place."""

    name: str
    index: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: "object | None"
    intermediates: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"position {self.index}"

    @property
    def label(self) -> str:
        """The name of the operations that it becomes."""
        return f"{self.name} at {self.place}"


@dataclass(frozen=True, slots=True)
class TfliteFile:
    """The first subgraph of a model."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite_file(content: bytes) -> TfliteFile:
    """The facts of a TFLite file; one clear error for anything damaged."""
    try:
        model = tflite.Model.GetRootAs(content, 0)
        if model.Version() != _SCHEMA_VERSION or model.SubgraphsLength() < 1:
            raise UnreadableModel("The TFLite model has no graph or is of an unknown schema version")
        if model.SubgraphsLength() > 1:
            raise UnsupportedOperator(
                "subgraph",
                "the model",
                why="the model has more than one graph",
                hint="Loops make them: convert recurrent layers with unroll=True",
            )
        return _read(model, model.Subgraphs(0))
    except _DAMAGE as error:
        raise UnreadableModel(f"The TFLite model is damaged: {error}", hint="Export it again") from error


def _read(model: tflite.Model, graph: tflite.SubGraph) -> TfliteFile:
    for count in (graph.TensorsLength(), graph.OperatorsLength(), model.BuffersLength(), model.OperatorCodesLength()):
        if not 0 <= count <= 2 * MAXIMUM_OPERATIONS:
            raise ModelTooLarge(f"The TFLite model claims {count:,} tensors or operators")
    tensors = tuple(_tensor(model, graph.Tensors(index)) for index in range(graph.TensorsLength()))
    operators = tuple(_operator(model, graph.Operators(index), index) for index in range(graph.OperatorsLength()))
    file = TfliteFile(tensors, operators, _indices(graph.InputsAsNumpy()), _indices(graph.OutputsAsNumpy()))
    used = [index for operator in operators for index in (*operator.inputs, *operator.outputs, *operator.intermediates)]
    if any(not -1 <= index < len(tensors) for index in used) or any(
        not 0 <= index < len(tensors) for index in (*file.inputs, *file.outputs)
    ):
        raise UnreadableModel("The TFLite model names tensors that it does not have")
    _check_shapes(file)
    return file


def _check_shapes(file: TfliteFile) -> None:
    """Intermediates only carry scales, and are empty; what is read and written has a fixed shape."""
    used = {index for operator in file.operators for index in (*operator.inputs, *operator.outputs)} - {-1}
    for index in used | set(file.inputs) | set(file.outputs):
        tensor = file.tensors[index]
        if any(length < 1 for length in tensor.shape):
            raise WrongShape(
                f"Tensor {tensor.name} has the shape {tensor.shape}", hint="Export the model with fixed shapes"
            )


def _indices(values: object) -> tuple[int, ...]:
    """A vector of tensor numbers; the library gives 0 for a missing one."""
    array = numpy.atleast_1d(numpy.asarray(values)) if not isinstance(values, int) else numpy.empty(0, int)
    if array.size > _MAXIMUM_OPERANDS:
        raise ModelTooLarge(f"An operator of the TFLite model has {array.size:,} operands")
    return tuple(int(value) for value in array)


def _tensor(model: tflite.Model, tensor: tflite.Tensor) -> FileTensor:
    name = (tensor.Name() or b"").decode("utf-8", "replace")
    if tensor.ShapeLength() > _MAXIMUM_RANK:
        raise WrongShape(f"Tensor {name} has {tensor.ShapeLength()} axes")
    shape = tuple(int(length) for length in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    check_elements(shape, f"Tensor {name}")
    if tensor.Type() not in _TYPES:
        raise UnsupportedOperator("tensor", f"'{name}'", why=f"its element type is number {tensor.Type()}")
    if tensor.Sparsity() is not None:
        raise UnsupportedOperator("tensor", f"'{name}'", why="it is stored sparse", hint="Convert without sparsity")
    dtype = _TYPES[tensor.Type()]
    quantization = _quantization(name, shape, tensor.Quantization())
    stored = numpy.dtype(numpy.float16) if tensor.Type() == tflite.TensorType.FLOAT16 else dtype.numpy
    data = _data(model, tensor.Buffer(), name, shape, stored)
    return FileTensor(name, shape, dtype, quantization, None if data is None else data.astype(dtype.numpy, copy=False))


def _quantization(name: str, shape: tuple[int, ...], parameters: tflite.QuantizationParameters) -> Quantization | None:
    if parameters is None or not parameters.ScaleLength():
        return None
    scales = tuple(float(scale) for scale in parameters.ScaleAsNumpy())
    zeros = parameters.ZeroPointAsNumpy() if parameters.ZeroPointLength() else numpy.zeros(len(scales), int)
    zero_points = tuple(int(zero) for zero in zeros)
    axis = int(parameters.QuantizedDimension()) if len(scales) > 1 else None
    fits = axis is None or (0 <= axis < len(shape) and shape[axis] == len(scales))
    if len(zero_points) != len(scales) or not fits or not all(0 < scale < 3e38 for scale in scales):
        raise UnreadableModel(f"The quantisation of tensor {name} is damaged")
    return Quantization(scales, zero_points, axis)


def _data(
    model: tflite.Model, buffer: int, name: str, shape: tuple[int, ...], stored: "numpy.dtype[Any]"
) -> Array | None:
    if buffer == 0 or buffer >= model.BuffersLength() or not model.Buffers(buffer).DataLength():
        return None
    values = numpy.frombuffer(model.Buffers(buffer).DataAsNumpy().tobytes(), stored)
    expected = int(numpy.prod(shape, dtype=numpy.int64))
    if values.size != expected:
        raise UnreadableModel(f"Tensor {name} holds {values.size:,} values for {expected:,} places")
    return values.reshape(shape)


def _operator(model: tflite.Model, operator: tflite.Operator, index: int) -> FileOperator:
    if not 0 <= operator.OpcodeIndex() < model.OperatorCodesLength():
        raise UnreadableModel(f"Operator {index} of the TFLite model is of no known kind")
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Old files keep the number in the first field, new ones in the second (schema.fbs, OperatorCode).
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    name = _OPERATORS.get(number, f"number {number}")
    if name == "CUSTOM":
        name = f"CUSTOM {(code.CustomCode() or b'').decode('utf-8', 'replace')[:60]}"
    inputs, outputs = _indices(operator.InputsAsNumpy()), _indices(operator.OutputsAsNumpy())
    intermediates = _indices(operator.IntermediatesAsNumpy())
    return FileOperator(name, index, inputs, outputs, operator.BuiltinOptions(), intermediates)
