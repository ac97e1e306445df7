"""Singular value decomposition filters (SVDF) with an explicit state, in float32 and as TfLite's svdf.h on int8."""

from collections.abc import Sequence

import numpy

from lwm2m_ml.compiler.arithmetic import clamp_int8, multiply, quantize_multiplier
from lwm2m_ml.compiler.ir import Graph, Operation
from lwm2m_ml.compiler.ir.recurrent import SvdfResult, SvdfState
from lwm2m_ml.compiler.ir.tensor import Array
from lwm2m_ml.compiler.reference.hard_swish import saturate16
from lwm2m_ml.compiler.reference.requantization import scale_of, zero_point_of


def _moved_on(state: Array, newest: Array) -> Array:
    """The memories (S, N, F, M) without their oldest places, and the newest ones (S, N, F) behind."""
    samples = max(len(state), len(newest))
    kept = numpy.broadcast_to(state[..., 1:], (samples, *state.shape[1:-1], state.shape[-1] - 1))
    return numpy.concatenate([kept, numpy.broadcast_to(newest, (samples, *newest.shape[1:]))[..., None]], axis=-1)


def state_float(_kind: SvdfState, operands: Sequence[Array]) -> Array:
    """The next state."""
    rows, weights, state = operands[0], operands[1][0], operands[2]
    return _moved_on(state, rows @ weights.T)


def result_float(kind: SvdfResult, operands: Sequence[Array]) -> Array:
    """The answer to a state."""
    state, weights, bias = operands[0], operands[1][0], operands[2][0]
    answers = (state * weights).sum(axis=-1)
    sums: Array = answers.reshape(*answers.shape[:-1], -1, kind.rank).sum(axis=-1) + bias
    return numpy.maximum(sums, 0) if kind.rectified else sums


def state_multiplier(graph: Graph, operation: Operation) -> tuple[int, int]:
    """From products of input and feature weights to the state's scale."""
    rows, weights, _ = graph.operands(operation)
    return quantize_multiplier(scale_of(rows) * scale_of(weights) / scale_of(graph.result(operation)))


def state_int16(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    """The next state in int16."""
    rows, weights, state = operands[0].astype(numpy.int64), operands[1][0].astype(numpy.int64), operands[2]
    sums = (rows - zero_point_of(graph.operands(operation)[0])) @ weights.T
    newest = saturate16(multiply(sums, *state_multiplier(graph, operation)))
    return _moved_on(state, newest.astype(numpy.int16))


def result_multiplier(graph: Graph, operation: Operation) -> tuple[int, int]:
    """From products of state and time weights to the result's scale."""
    state, weights, _ = graph.operands(operation)
    return quantize_multiplier(scale_of(state) * scale_of(weights) / scale_of(graph.result(operation)))


def result_int8(graph: Graph, operation: Operation, operands: Sequence[Array]) -> Array:
    """The answer to a state in int8; the limits of int8 are the rectifier."""
    kind = operation.kind
    assert isinstance(kind, SvdfResult)  # noqa: S101 - callers dispatch on the kind
    state, weights, bias = operands[0].astype(numpy.int64), operands[1][0].astype(numpy.int64), operands[2][0]
    answers = (state * weights).sum(axis=-1)
    sums = answers.reshape(*answers.shape[:-1], -1, kind.rank).sum(axis=-1) + bias.astype(numpy.int64)
    scaled = multiply(sums, *result_multiplier(graph, operation))
    return clamp_int8(scaled + zero_point_of(graph.result(operation)))
