"""Quantises LSTM and GRU layers: one scale per gate, an int16 cell state with a power of two as scale."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy

from lwm2m_ml.compiler.interpreter import run_all
from lwm2m_ml.compiler.ir import Array, Graph, Operation, Quantization, Tensor
from lwm2m_ml.compiler.ir.builder import constant_tensor
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm
from lwm2m_ml.compiler.quantize.parameters import quantize_bias, quantize_weights
from lwm2m_ml.compiler.reference.lstm import lstm_float_states

GATES: dict[type, int] = {Lstm: 4, Gru: 3}
# TfLite's kernels take cell states of 1 to 6 integer bits.
_CELL_EXPONENTS = (-14, -9)


def with_cell_scales(graph: Graph, inputs: Mapping[str, Array]) -> Graph:
    """The graph whose LSTM layers know the scale of their cell state, observed on samples."""
    sequences = tuple(operation.inputs[0] for operation in graph.operations if isinstance(operation.kind, Lstm))
    if not sequences:
        return graph
    values = run_all(graph, inputs, keep=sequences)

    def scaled(operation: Operation) -> Operation:
        kind = operation.kind
        if not isinstance(kind, Lstm):
            return operation
        constants = [operand.values[None] for operand in graph.operands(operation)[1:]]
        _, cells = lstm_float_states(kind, [values[operation.inputs[0]], *constants])
        largest = max(float(numpy.abs(cells).max()), 1e-6)
        exponent = max(_CELL_EXPONENTS[0], min(_CELL_EXPONENTS[1], math.ceil(math.log2(largest)) - 15))
        return replace(operation, kind=replace(kind, cell_scale=2.0**exponent))

    return graph.with_operations(scaled(operation) for operation in graph.operations)


def quantized_constants(
    operation: Operation, constants: tuple[Tensor, ...], given: Quantization, hidden: Quantization
) -> list[Tensor]:
    """Weights, recurrent weights and biases as int8 and int32."""
    weights, recurrent, *biases = constants
    made: list[Tensor] = []
    scales: list[tuple[tuple[float, ...], float]] = []
    for tensor, operand in ((weights, given), (recurrent, hidden)):
        rows = _gate_scales(tensor.values, GATES[type(operation.kind)])
        codes = quantize_weights(tensor.values, 0, rows)
        made.append(_named(operation, len(made), codes, Quantization(rows, (0,) * len(rows), 0)))
        scales.append((rows, operand.scale))
    for bias, (rows, scale) in zip(biases, scales, strict=False):
        made.append(_named(operation, len(made), quantize_bias(bias.values, rows, scale), None))
    return made


def _gate_scales(weights: Array, gates: int) -> tuple[float, ...]:
    """The same scale for all rows of a gate."""
    largest = numpy.abs(weights.reshape(gates, -1).astype(numpy.float64)).max(axis=1)
    scales = numpy.maximum(largest, 1e-9) / 127.0
    return tuple(float(scale) for scale in numpy.repeat(scales.astype(numpy.float32), weights.shape[0] // gates))


def _named(operation: Operation, number: int, values: Array, quantization: Quantization | None) -> Tensor:
    return constant_tensor(f"{operation.output}/constant {number}", values, quantization)
