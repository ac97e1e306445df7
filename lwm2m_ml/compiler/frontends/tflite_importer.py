"""The state of reading one TFLite model, and access to an operator's operands and options."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy
import tflite

from lwm2m_ml.compiler.errors import CyclicModel, MissingQuantization, UnreadableModel, UnsupportedOperator, WrongShape
from lwm2m_ml.compiler.frontends.tflite_file import FileOperator, FileTensor, TfliteFile
from lwm2m_ml.compiler.ir import Array, DataType, Quantization
from lwm2m_ml.compiler.ir.builder import GraphBuilder
from lwm2m_ml.compiler.ir.kinds import MOVES, Activation, Kind, Reshape, Transpose
from lwm2m_ml.compiler.ir.recurrent import SvdfState
from lwm2m_ml.compiler.ir.types import WIDE_LAYERS

_ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: Activation.NONE,
    tflite.ActivationFunctionType.RELU: Activation.RELU,
    tflite.ActivationFunctionType.RELU6: Activation.RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
}
# What is there for activations of 16 bits.
_ON_INT16 = (*WIDE_LAYERS, Reshape, Transpose, SvdfState)


@dataclass(slots=True)
class TfliteImporter:
    """Maps tensor numbers of the file to tensors of the graph."""

    file: TfliteFile
    builder: GraphBuilder = field(default_factory=GraphBuilder)
    names: dict[int, str] = field(default_factory=dict)
    unpacked: dict[int, FileTensor] = field(default_factory=dict)
    # States that the model keeps: the names of the tensor that is given and of the one that is computed.
    states: list[tuple[str, str]] = field(default_factory=list)

    def is_float_border(self, index: int) -> bool:
        """Whether a float input only feeds QUANTIZE: the module then takes the int8 tensor behind it."""
        readers = [operator for operator in self.file.operators if index in operator.inputs]
        return bool(readers) and all(operator.name == "QUANTIZE" for operator in readers) and self._is_float(index)

    def quantized_inputs(self) -> list[int]:
        """The int8 tensors behind float inputs."""
        border = {index for index in self.file.inputs if self.is_float_border(index)}
        return [operator.outputs[0] for operator in self.file.operators if border & set(operator.inputs[:1])]

    def _is_float(self, index: int) -> bool:
        return self.file.tensors[index].dtype is DataType.FLOAT32

    def add_input(self, index: int) -> str:
        """Add an input of the model."""
        tensor = self.file.tensors[index]
        self._check_quantization(tensor)
        self.names[index] = self.builder.variable(
            tensor.name or f"input{index}", tensor.shape, tensor.dtype, tensor.quantization
        )
        return self.names[index]

    def variable(self, index: int, place: str) -> str:
        """The graph's tensor for a number of the file, which may stand for a constant."""
        if index in self.names:
            return self.names[index]
        tensor = self.unpacked.get(index, self.file.tensors[index])
        if tensor.data is None:
            if any(index in operator.outputs for operator in self.file.operators):
                raise CyclicModel(f"{place} needs tensor {tensor.name} before it is computed")
            raise UnreadableModel(f"{place} needs tensor {tensor.name}, which is never defined")
        self.names[index] = self.builder.constant(tensor.name or f"constant{index}", tensor.data, tensor.quantization)
        return self.names[index]

    def operand(self, operator: FileOperator, position: int) -> str:
        """The graph's tensor for an operand."""
        index = operator.inputs[position]
        if index < 0:
            raise UnreadableModel(f"Operator {operator.name} at {operator.place} lacks operand {position}")
        return self.variable(index, f"Operator {operator.name} at {operator.place}")

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor of the graph."""
        return self.builder.tensors[name].shape

    def constant(self, operator: FileOperator, position: int) -> FileTensor:
        """An operand that must be constant."""
        index = operator.inputs[position]
        tensor = self.unpacked.get(index, self.file.tensors[index])
        if tensor.data is None:
            raise UnsupportedOperator(operator.name, operator.place, why=f"operand {position} is not constant")
        return tensor

    def unpack(self, packed: int, result: int) -> None:
        """Weights kept in int8 or float16 and dequantised by the model are float constants."""
        tensor = self.file.tensors[packed]
        assert tensor.data is not None  # noqa: S101 - see the caller
        data = tensor.data
        if tensor.dtype is not DataType.FLOAT32:
            axis = tensor.quantization.axis if tensor.quantization is not None else None
            data = _dequantized(tensor, data, axis or 0)
        self.unpacked[result] = FileTensor(tensor.name, tensor.shape, DataType.FLOAT32, None, data)

    def integers(self, operator: FileOperator, position: int) -> tuple[int, ...]:
        """The values of a constant operand of integers."""
        data = self.constant(operator, position).data
        assert data is not None  # noqa: S101 - see constant
        return tuple(int(value) for value in data.reshape(-1))

    def add(self, operator: FileOperator, kind: Kind, operands: Sequence[str]) -> str:
        """Add the operation that computes an operator's only result, which must be as the file says."""
        return self.add_result(operator, kind, operands, operator.outputs[0])

    def add_result(self, operator: FileOperator, kind: Kind, operands: Sequence[str], index: int) -> str:
        """Add the operation that computes one result."""
        result = self.file.tensors[index]
        self._check_quantization(result)
        if result.dtype is DataType.INT16 and not isinstance(kind, _ON_INT16):
            raise UnsupportedOperator(
                operator.name, operator.place, why="its result is int16", hint="Convert the model to int8"
            )
        if isinstance(kind, MOVES):
            self._check_moves(operator, operands, result)
        name = self.builder.add(
            kind,
            operands,
            result.name or f"tensor{index}",
            name=operator.label,
            quantization=None if result.dtype is DataType.FLOAT32 else result.quantization,
        )
        if self.shape(name) != result.shape:
            raise WrongShape(f"the result is {self.shape(name)}, the file says {result.shape}")
        if self.builder.tensors[name].dtype is not result.dtype:
            raise UnsupportedOperator(operator.name, operator.place, why=f"its result is {result.dtype.value}")
        self.names[index] = name
        return name

    def weights(self, operator: FileOperator, position: int, data: Array, axis: int, *, image: int = 0) -> str:
        """Add the weights of a layer, rearranged as the graph wants them, quantised along `axis` if per channel."""
        tensor = self.constant(operator, position)
        quantization = tensor.quantization
        if tensor.dtype is DataType.INT8 and self.operand_type(operator, image) is DataType.FLOAT32:
            # Hybrid models keep int8 weights beside float activations; they are computed in float.
            return self.builder.constant(tensor.name, _dequantized(tensor, data, axis))
        if quantization is not None and any(quantization.zero_points):
            raise UnsupportedOperator(operator.name, operator.place, why="its weights are not symmetric")
        if tensor.dtype is DataType.INT8:
            self._check_quantization(tensor)
        if quantization is not None and quantization.axis is not None:
            quantization = Quantization(quantization.scales, quantization.zero_points, axis)
        return self.builder.constant(tensor.name, data, quantization)

    def operand_type(self, operator: FileOperator, position: int = 0) -> DataType:
        """The element type of an operand."""
        return self.file.tensors[operator.inputs[position]].dtype

    def bias(self, operator: FileOperator, position: int, count: int, *, image: int = 0) -> str:
        """Add the bias of a layer, zeros where the file leaves it out; `image` is the operand that is convolved."""
        integer = self.operand_type(operator, image) is not DataType.FLOAT32
        if position >= len(operator.inputs) or operator.inputs[position] < 0:
            zeros = numpy.zeros(count, numpy.int32 if integer else numpy.float32)
            return self.builder.constant(f"{operator.place} bias", zeros)
        tensor = self.constant(operator, position)
        assert tensor.data is not None  # noqa: S101 - see constant
        data = tensor.data
        if self.operand_type(operator, image) is DataType.INT16 and numpy.abs(data).max(initial=0) < 1 << 31:
            # Beside int16 the file keeps biases in 64 bits.
            data = data.astype(numpy.int32)
        if data.dtype != (numpy.int32 if integer else numpy.float32):
            raise UnsupportedOperator(operator.name, operator.place, why=f"its bias is {tensor.dtype.value}")
        return self.builder.constant(tensor.name, data)

    def activation(self, operator: FileOperator, number: int) -> Activation:
        """The fused activation of an operator."""
        if number not in _ACTIVATIONS:
            raise UnsupportedOperator(operator.name, operator.place, why=f"its activation is number {number}")
        return _ACTIVATIONS[number]

    @staticmethod
    def _check_quantization(tensor: FileTensor) -> None:
        if tensor.dtype is DataType.INT8 and tensor.quantization is None:
            raise MissingQuantization(f"Tensor {tensor.name} is int8 but has no scale and zero point")
        if tensor.dtype is DataType.INT8 and tensor.data is None and tensor.quantization.axis is not None:  # type: ignore[union-attr]
            raise UnsupportedOperator("tensor", f"'{tensor.name}'", why="activations cannot be quantised per channel")

    def check_same_quantization(self, operator: FileOperator, operands: Sequence[str]) -> None:
        """Refuse operands or a result that are quantised in other ways than the first operand."""
        self._check_moves(operator, operands, self.file.tensors[operator.outputs[0]])

    def _check_moves(self, operator: FileOperator, operands: Sequence[str], result: FileTensor) -> None:
        for operand in operands:
            if self.builder.tensors[operand].quantization != result.quantization and result.dtype is DataType.INT8:
                raise UnsupportedOperator(
                    operator.name, operator.place, why="operand and result are quantised differently"
                )


def _dequantized(tensor: FileTensor, data: Array, axis: int) -> Array:
    if tensor.quantization is None:
        raise MissingQuantization(f"Tensor {tensor.name} is int8 but has no scale and zero point")
    shape = [1] * data.ndim
    shape[axis] = -1
    scales, zeros = numpy.array(tensor.quantization.scales), numpy.array(tensor.quantization.zero_points)
    if len(scales) > 1:
        scales, zeros = scales.reshape(shape), zeros.reshape(shape)
    values: Array = ((data.astype(numpy.float64) - zeros) * scales).astype(numpy.float32)
    return values
