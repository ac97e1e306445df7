"""Makes an int8 graph of a float graph."""

from dataclasses import replace

from lwm2m_ml.compiler.arithmetic import quantize_values
from lwm2m_ml.compiler.errors import UnsupportedOperator
from lwm2m_ml.compiler.ir import Array, DataType, Graph, Operation, Quantization, Tensor, kinds, verify
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.ir.recurrent import SvdfResult, SvdfState
from lwm2m_ml.compiler.quantize.calibration import (
    MinimumMaximum,
    Observer,
    Range,
    check_samples,
    observe_ranges,
    random_samples,
)
from lwm2m_ml.compiler.quantize.given import separated
from lwm2m_ml.compiler.quantize.parameters import (
    activation_quantization,
    quantize_bias,
    quantize_weights,
    weight_scales,
)
from lwm2m_ml.compiler.quantize.recurrent import GATES, quantized_constants, with_cell_scales
from lwm2m_ml.compiler.quantize.sharing import SharedRanges
from lwm2m_ml.compiler.reference.integer_kernels import KERNELS


def quantize(graph: Graph, calibration: Array | None, observer: Observer | None = None) -> Graph:
    """The int8 graph; `calibration` are samples of the only input, seeded random ones when there are none."""
    _check_operators(graph)
    samples = random_samples(graph) if calibration is None else check_samples(graph, calibration, "calibration data")
    inputs = {graph.inputs[0]: samples}
    inputs |= {name: random_samples(replace(graph, inputs=(name,)), len(samples)) for name in graph.inputs[1:]}
    graph = with_cell_scales(separated(graph), inputs)
    ranges = observe_ranges(graph, inputs, observer or MinimumMaximum())
    ranges |= {
        name: Range(min(0.0, float(tensor.values.min())), max(0.0, float(tensor.values.max())))
        for name, tensor in graph.tensors.items()
        if tensor.is_constant
    }
    quantized = _Quantizer(graph, SharedRanges(graph, ranges)).run()
    verify(quantized, after="quantisation")
    return quantized


def _check_operators(graph: Graph) -> None:
    for operation in graph.operations:
        if isinstance(operation.kind, SvdfState | SvdfResult):
            raise UnsupportedOperator(
                "SVDF",
                operation.name,
                why="a float one cannot be quantised here",
                hint="Convert the model to int8 with TFLite, or compile it in float32",
            )
        if type(operation.kind) not in KERNELS:
            raise UnsupportedOperator(operation.kind_name, operation.name, why="it cannot be computed in int8")


class _Quantizer:
    """Walks a float graph and collects the tensors and operations of the int8 graph."""

    def __init__(self, graph: Graph, shared: SharedRanges) -> None:
        self._graph = graph
        self._shared = shared
        self._tensors: dict[str, Tensor] = {}

    def run(self) -> Graph:
        """The int8 graph."""
        for name in self._graph.inputs:
            self._activation(name)
        operations = [self._operation(operation) for operation in self._graph.operations]
        return replace(self._graph, tensors=self._tensors, operations=tuple(operations))

    def _operation(self, operation: Operation) -> Operation:
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
        constants = self._graph.operands(operation)[1:]
        if not all(tensor.is_constant for tensor in constants):
            raise UnsupportedOperator(operation.kind_name, operation.name, why="its weights are computed by the model")
        made = quantized_constants(operation, constants, given, hidden)
        self._tensors |= {tensor.name: tensor for tensor in made}
        return replace(operation, inputs=(operation.inputs[0], *(tensor.name for tensor in made)))

    def _activation(self, name: str) -> Tensor:
        """A tensor quantised as a whole; constants among the operands get their values quantised too."""
        if name not in self._tensors:
            tensor = self._graph.tensor(name)
            quantization = self._shared.fixed(name) or activation_quantization(self._shared.range_of(name))
            self._tensors[name] = _quantized(tensor, quantization)
        return self._tensors[name]

    def _weighted(self, operation: Operation) -> Operation:
        operand = self._activation(operation.inputs[0])
        assert operand.quantization is not None  # noqa: S101 - set one line above
        weights, bias = self._graph.operands(operation)[1:]
        if not (weights.is_constant and bias.is_constant):
            raise UnsupportedOperator(operation.kind_name, operation.name, why="its weights are computed by the model")
        axis = kinds.OUTPUT_AXIS[type(operation.kind)]
        given = weights.quantization
        scales = (
            given.scales
            if given is not None and given.axis == axis
            else weight_scales(weights.values, axis, bias.values, operand.quantization.scale)
        )
        zeros = (0,) * len(scales)
        # Two layers may read the same constants at different scales, so each layer gets its own.
        names = (f"{operation.output}/weights", f"{operation.output}/bias")
        self._tensors[names[0]] = constant_tensor(
            names[0], quantize_weights(weights.values, axis, scales), Quantization(scales, zeros, axis)
        )
        sums = tuple(scale * operand.quantization.scale for scale in scales)
        self._tensors[names[1]] = constant_tensor(
            names[1], quantize_bias(bias.values, scales, operand.quantization.scale), Quantization(sums, zeros, 0)
        )
        return replace(operation, inputs=(operation.inputs[0], *names))


def _quantized(tensor: Tensor, quantization: Quantization) -> Tensor:
    if tensor.is_constant:
        codes = quantize_values(tensor.values, quantization.scale, quantization.zero_point)
        return constant_tensor(tensor.name, codes, quantization)
    return Tensor(tensor.name, tensor.shape, DataType.INT8, quantization)
