"""Long short-term memory in float32, and on int8 with a cell state of int16 as TfLite's lstm_eval.cc (8x8_16)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from lwm2m_ml.compiler.arithmetic import Integers, clamp_int8, divide_by_power_of_two, multiply, quantize_multiplier
from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm
from lwm2m_ml.compiler.ir.tensor import Array, Tensor
from lwm2m_ml.compiler.reference.fixed_point16 import logistic16, tanh16
from lwm2m_ml.compiler.reference.hard_swish import saturate16
from lwm2m_ml.compiler.reference.requantization import scale_of, zero_point_of

# Sums of a gate are brought to Q3.12 before its function.
_GATE_SCALE = numpy.float32(2.0**-12)


@dataclass(frozen=True, slots=True)
class GateParameters:
    """(multiplier, shift) per gate, of products with the input and with the hidden state."""

    given: tuple[tuple[int, int], ...]
    hidden: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LstmParameters:
    """What the int8 layer needs beside its weights; the cell state has `cell_bits` integer bits."""

    gates: GateParameters
    cell_bits: int
    clip: int
    result: tuple[int, int]
    zero_point: int


def gate_parameters(graph: Graph, operation: Operation, gates: int) -> GateParameters:
    """Scales are multiplied in float32, as PopulateQuantizedLstmParams8x8_16 does."""
    sequence, weights, recurrent = graph.operands(operation)[:3]
    hidden = numpy.float32(scale_of(graph.result(operation)))
    return GateParameters(
        _multipliers(weights, numpy.float32(scale_of(sequence)), gates), _multipliers(recurrent, hidden, gates)
    )


def _multipliers(weights: Tensor, scale: "numpy.float32", gates: int) -> tuple[tuple[int, int], ...]:
    assert weights.quantization is not None  # noqa: S101 - the verifier saw to it
    scales = weights.quantization.scales
    units = len(scales) // gates
    firsts = [numpy.float32(scales[gate * units if len(scales) > 1 else 0]) for gate in range(gates)]
    return tuple(quantize_multiplier(float(first * scale / _GATE_SCALE)) for first in firsts)


def lstm_parameters(graph: Graph, operation: Operation) -> LstmParameters:
    """The parameters of an int8 LSTM."""
    kind = operation.kind
    assert isinstance(kind, Lstm)  # noqa: S101 - callers dispatch on the kind
    result = graph.result(operation)
    exponent = round(math.log2(kind.cell_scale))
    clip = min(int(kind.cell_clip / kind.cell_scale), 32767) if kind.cell_clip > 0 else 0
    scaled = quantize_multiplier(float(numpy.float32(2.0**-15 / numpy.float32(scale_of(result)) * 2.0**-15)))
    gates = gate_parameters(graph, operation, 4)
    return LstmParameters(gates, 15 + exponent, clip, scaled, zero_point_of(result))


def gate_sums(codes: Array, weights: Array, bias: Array, pairs: Sequence[tuple[int, int]]) -> Integers:
    """Products of centred codes (B, I) with the rows of all gates, in Q3.12."""
    sums = codes.astype(numpy.int64) @ weights.astype(numpy.int64).T + bias.astype(numpy.int64)
    units = weights.shape[0] // len(pairs)
    parts = [multiply(sums[:, gate * units : (gate + 1) * units], *pair) for gate, pair in enumerate(pairs)]
    return saturate16(numpy.concatenate(parts, axis=1))


def lstm_int8(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    """The hidden state of all steps; axis 0 of the operands counts samples."""
    sequence, weights, recurrent, bias = operands[0], operands[1][0], operands[2][0], operands[3][0]
    parameters = lstm_parameters(graph, operation)
    units = recurrent.shape[1]
    steps = sequence.reshape(-1, *sequence.shape[2:]).astype(numpy.int64)
    steps = steps - zero_point_of(graph.operands(operation)[0])
    hidden = numpy.zeros((len(steps), units), numpy.int64)
    cell = numpy.zeros_like(hidden)
    nothing = numpy.zeros(4 * units, numpy.int64)
    results = []
    for step in range(steps.shape[1]):
        sums = gate_sums(steps[:, step], weights, bias, parameters.gates.given)
        sums = saturate16(sums + gate_sums(hidden, recurrent, nothing, parameters.gates.hidden))
        enter, forget, new, leave = numpy.split(sums, 4, axis=1)
        kept = divide_by_power_of_two(logistic16(forget) * cell, 15)
        # Both factors are Q0.15; the product gets the cell's scale.
        added = divide_by_power_of_two(logistic16(enter) * tanh16(new), 15 + parameters.cell_bits)
        cell = saturate16(kept + added)
        if parameters.clip:
            cell = numpy.clip(cell, -parameters.clip, parameters.clip)
        product = logistic16(leave) * tanh16(cell, parameters.cell_bits)
        codes = clamp_int8(multiply(product, *parameters.result) + parameters.zero_point)
        hidden = codes.astype(numpy.int64) - parameters.zero_point
        results.append(codes)
    return numpy.stack(results, axis=1).reshape(*sequence.shape[:3], units)


def _logistic(values: Array) -> Array:
    small = numpy.exp(-numpy.abs(values))
    return numpy.where(values >= 0, 1 / (1 + small), small / (1 + small))


def lstm_float(kind: Lstm, operands: Sequence[Array]) -> Array:
    """The hidden state of all steps."""
    hidden_states, _ = lstm_float_states(kind, operands)
    return hidden_states


def lstm_float_states(kind: Lstm, operands: Sequence[Array]) -> tuple[Array, Array]:
    """Hidden and cell states of all steps."""
    sequence, weights, recurrent, bias = operands[0], operands[1][0], operands[2][0], operands[3][0]
    steps = sequence.reshape(-1, *sequence.shape[2:])
    hidden = numpy.zeros((len(steps), recurrent.shape[1]), numpy.float32)
    cell = numpy.zeros_like(hidden)
    hidden_states, cell_states = [], []
    for step in range(steps.shape[1]):
        sums = steps[:, step] @ weights.T + bias + hidden @ recurrent.T
        enter, forget, new, leave = numpy.split(sums, 4, axis=1)
        cell = _logistic(forget) * cell + _logistic(enter) * numpy.tanh(new)
        if kind.cell_clip > 0:
            cell = numpy.clip(cell, -kind.cell_clip, kind.cell_clip)
        hidden = (_logistic(leave) * numpy.tanh(cell)).astype(numpy.float32)
        hidden_states.append(hidden)
        cell_states.append(cell)
    shape = (*sequence.shape[:3], recurrent.shape[1])
    return numpy.stack(hidden_states, axis=1).reshape(shape), numpy.stack(cell_states, axis=1).reshape(shape)


def gru_float(kind: Gru, operands: Sequence[Array]) -> Array:
    """The hidden state of all steps of a gated recurrent unit."""
    sequence = operands[0]
    weights, recurrent, bias, recurrent_bias = (operand[0] for operand in operands[1:])
    steps = sequence.reshape(-1, *sequence.shape[2:])
    units = recurrent.shape[1]
    hidden = numpy.zeros((len(steps), units), numpy.float32)
    results = []
    for step in range(steps.shape[1]):
        given = steps[:, step] @ weights.T + bias
        gates = hidden @ recurrent[: 2 * units].T + recurrent_bias[: 2 * units]
        update = _logistic(given[:, :units] + gates[:, :units])
        reset = _logistic(given[:, units : 2 * units] + gates[:, units:])
        state = hidden if kind.reset_after else reset * hidden
        memory = state @ recurrent[2 * units :].T + recurrent_bias[2 * units :]
        new = numpy.tanh(given[:, 2 * units :] + (reset * memory if kind.reset_after else memory))
        hidden = ((1 - update) * new + update * hidden).astype(numpy.float32)
        results.append(hidden)
    return numpy.stack(results, axis=1).reshape(*sequence.shape[:3], units)
