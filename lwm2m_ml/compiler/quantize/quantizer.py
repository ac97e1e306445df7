"""Walks a float graph and writes the graph of integers, layer by layer in the precision that each was given."""

from collections.abc import Mapping
from dataclasses import replace

from lwm2m_ml.compiler.arithmetic import quantize_values
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import Array, DataType, Graph, Operation, Quantization, Tensor, kinds
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.quantize.bias_correction import corrected_bias, rounding_error
from lwm2m_ml.compiler.quantize.parameters import (
    LARGEST_INT4,
    LARGEST_INT8,
    activation_quantization,
    quantize_bias,
    quantize_weights,
    weight_scales,
    wide_quantization,
)
from lwm2m_ml.compiler.quantize.recurrent import GATES, quantized_constants
from lwm2m_ml.compiler.quantize.settings import Precision, QuantizationSettings
from lwm2m_ml.compiler.quantize.sharing import SharedRanges
from lwm2m_ml.compiler.quantize.wide import wide_tensors


class Quantizer:
    """Collects the tensors and operations of the integer graph.

    The integer form of a tensor keeps its name. Layers in float32 read and write a real form beside it, "NAME/real";
    the ways between the two are added where they are needed.
    """

    def __init__(
        self, graph: Graph, shared: SharedRanges, settings: QuantizationSettings, means: Mapping[str, Array]
    ) -> None:
        self._graph = graph
        self._shared = shared
        self._settings = settings
        self._means = means
        self._wide = wide_tensors(graph, shared, settings)
        self._tensors: dict[str, Tensor] = {}
        self._operations: list[Operation] = []
        self._readers = graph.consumers()

    def run(self) -> Graph:
        """The integer graph."""
        for name in self._graph.inputs:
            if any(reader.is_signal for reader in self._readers[name]):
                self._tensors[name] = self._graph.tensor(name)
            else:
                self._activation(name)
        for operation in self._graph.operations:
            if self._settings.of(operation.output) is Precision.FLOAT32:
                self._in_float(operation)
            else:
                self._operations.append(self._in_integers(operation))
        return replace(self._graph, tensors=self._tensors, operations=tuple(self._operations))

    def _in_float(self, operation: Operation) -> None:
        inputs = tuple(self._real(name) for name in operation.inputs)
        result = replace(self._graph.result(operation), name=_real_name(operation.output), quantization=None)
        self._tensors[result.name] = result
        self._operations.append(replace(operation, inputs=inputs, output=result.name))
        readers = self._readers[operation.output]
        in_integers = any(self._settings.of(reader.output) is not Precision.FLOAT32 for reader in readers)
        if in_integers or operation.output in self._graph.outputs:
            self._activation(operation.output)
            self._operations.append(Operation(operation.name, kinds.Quantize(), (result.name,), operation.output))

    def _real(self, name: str) -> str:
        """The float32 form of a tensor."""
        real, tensor = _real_name(name), self._graph.tensor(name)
        if name in self._tensors and self._tensors[name].dtype is DataType.FLOAT32:
            return name
        if real in self._tensors:
            return real
        self._tensors[real] = replace(tensor, name=real, quantization=None)
        if not tensor.is_constant:
            self._operations.append(Operation(f"{name} as real numbers", kinds.Dequantize(), (name,), real))
        return real

    def _in_integers(self, operation: Operation) -> Operation:
        if type(operation.kind) in kinds.OUTPUT_AXIS:
            operation = self._weighted(operation)
        elif type(operation.kind) in GATES:
            operation = self._recurrent(operation)
        else:
            for name in operation.inputs:
                self._activation(name)
        self._activation(operation.output)
        return operation

    def _recurrent(self, operation: Operation) -> Operation:
        given = self._activation(operation.inputs[0]).quantization
        hidden = self._activation(operation.output).quantization
        assert given is not None and hidden is not None  # noqa: S101, PT018 - set just above
        made = quantized_constants(operation, self._constants(operation), given, hidden)
        self._tensors |= {tensor.name: tensor for tensor in made}
        return replace(operation, inputs=(operation.inputs[0], *(tensor.name for tensor in made)))

    def _constants(self, operation: Operation) -> tuple[Tensor, ...]:
        constants = self._graph.operands(operation)[1:]
        if not all(tensor.is_constant for tensor in constants):
            raise UnsupportedOperator(operation.kind_name, operation.name, why="its weights are computed by the model")
        return constants

    def _activation(self, name: str) -> Tensor:
        """A tensor quantised as a whole; constants among the operands get their values quantised too."""
        if name not in self._tensors:
            tensor = self._graph.tensor(name)
            found = self._shared.range_of(name)
            if name in self._wide:
                self._tensors[name] = Tensor(name, tensor.shape, DataType.INT16, wide_quantization(found))
            else:
                self._tensors[name] = _quantized(tensor, self._shared.fixed(name) or activation_quantization(found))
        return self._tensors[name]

    def _weighted(self, operation: Operation) -> Operation:
        operand = self._activation(operation.inputs[0])
        assert operand.quantization is not None  # noqa: S101 - set one line above
        weights, bias = self._constants(operation)
        axis = kinds.OUTPUT_AXIS[type(operation.kind)]
        largest = LARGEST_INT4 if self._settings.of(operation.output) is Precision.INT4 else LARGEST_INT8
        given = weights.quantization
        scales = (
            given.scales
            if given is not None and given.axis == axis
            else weight_scales(weights.values, axis, bias.values, operand.quantization.scale, largest=largest)
        )
        zeros = (0,) * len(scales)
        codes = quantize_weights(weights.values, axis, scales, largest=largest)
        biases = bias.values
        if self._settings.bias_correction:
            error = rounding_error(operation, weights.values, codes, scales)
            biases = corrected_bias(operation, error, self._means[operation.inputs[0]], biases)
        # Two layers may read the same constants at different scales, so each layer gets its own.
        names = (f"{operation.output}/weights", f"{operation.output}/bias")
        self._tensors[names[0]] = constant_tensor(names[0], codes, Quantization(scales, zeros, axis))
        sums = tuple(scale * operand.quantization.scale for scale in scales)
        self._tensors[names[1]] = constant_tensor(
            names[1], quantize_bias(biases, scales, operand.quantization.scale), Quantization(sums, zeros, 0)
        )
        return replace(operation, inputs=(operation.inputs[0], *names))


def _real_name(name: str) -> str:
    return f"{name}/real"


def _quantized(tensor: Tensor, quantization: Quantization) -> Tensor:
    if tensor.is_constant:
        codes = quantize_values(tensor.values, quantization.scale, quantization.zero_point)
        return constant_tensor(tensor.name, codes, quantization)
    return Tensor(tensor.name, tensor.shape, DataType.INT8, quantization)
