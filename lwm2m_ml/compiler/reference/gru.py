"""Gated recurrent units on int8: the arithmetic of TfLite's int8 LSTM, gates in Q3.12 and Q0.15.

TfLite has no such layer, so this module defines it. The hidden state is kept in int16, Q0.15, and becomes int8 only
as a result and for the products with the recurrent weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from lwm2m_ml.compiler.arithmetic import Integers, clamp_int8, divide_by_power_of_two, multiply, quantize_multiplier
from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.recurrent import Gru
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.fixed_point16 import ONE, logistic16, tanh16
from lwm2m_ml.compiler.reference.hard_swish import saturate16
from lwm2m_ml.compiler.reference.lstm import GateParameters, gate_parameters, gate_sums
from lwm2m_ml.compiler.reference.requantization import scale_of, zero_point_of


@dataclass(frozen=True, slots=True)
class GruParameters:
    """What the layer needs beside its weights; `result` brings Q0.15 to the result's scale."""

    gates: GateParameters
    result: tuple[int, int]
    zero_point: int

    def codes(self, state: Integers) -> NDArray[numpy.int8]:
        """A state in Q0.15 as int8."""
        return clamp_int8(multiply(state, *self.result) + self.zero_point)


def gru_parameters(graph: Graph, operation: Operation) -> GruParameters:
    """The parameters of an int8 GRU."""
    result = graph.result(operation)
    scaled = quantize_multiplier(2.0**-15 / scale_of(result))
    return GruParameters(gate_parameters(graph, operation, 3), scaled, zero_point_of(result))


def gru_int8(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    """The hidden state of all steps; axis 0 of the operands counts samples."""
    kind = operation.kind
    assert isinstance(kind, Gru)  # noqa: S101 - callers dispatch on the kind
    sequence = operands[0]
    weights, recurrent, bias, recurrent_bias = (operand[0] for operand in operands[1:])
    parameters = gru_parameters(graph, operation)
    steps = sequence.reshape(-1, *sequence.shape[2:]).astype(numpy.int64)
    steps = steps - zero_point_of(graph.operands(operation)[0])
    units = recurrent.shape[1]
    state = numpy.zeros((len(steps), units), numpy.int64)
    pairs = parameters.gates.hidden
    results = []
    for step in range(steps.shape[1]):
        given = gate_sums(steps[:, step], weights, bias, parameters.gates.given)
        codes = parameters.codes(state).astype(numpy.int64) - parameters.zero_point
        gates = gate_sums(codes, recurrent[: 2 * units], recurrent_bias[: 2 * units], pairs[:2])
        gates = saturate16(gates + given[:, : 2 * units])
        update, reset = logistic16(gates[:, :units]), logistic16(gates[:, units:])
        if not kind.reset_after:
            codes = parameters.codes(divide_by_power_of_two(reset * state, 15)).astype(numpy.int64)
            codes = codes - parameters.zero_point
        memory = gate_sums(codes, recurrent[2 * units :], recurrent_bias[2 * units :], pairs[2:])
        if kind.reset_after:
            memory = divide_by_power_of_two(reset * memory, 15)
        new = tanh16(saturate16(given[:, 2 * units :] + memory))
        state = divide_by_power_of_two(update * state, 15) + divide_by_power_of_two((ONE - update) * new, 15)
        state = saturate16(state)
        results.append(parameters.codes(state))
    return numpy.stack(results, axis=1).reshape(*sequence.shape[:3], units)
