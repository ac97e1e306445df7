"""The shapes of the results of operations that work through sequences."""

from collections.abc import Callable, Sequence
from typing import Any

from lwm2m_ml.compiler.errors import WrongShape
from lwm2m_ml.compiler.ir.recurrent import Gru, Lstm, SvdfResult, SvdfState

Shape = tuple[int, ...]


def _require(condition: bool, what: str, rule: str) -> None:
    if not condition:
        raise WrongShape(f"{what}: {rule}")


def _gated(gates: int, what: str, sequence: Shape, weights: Shape, recurrent: Shape) -> Shape:
    """The result of a recurrent layer with so many gates."""
    _require(len(sequence) == 3 and len(weights) == 2 and len(recurrent) == 2, what, "a sequence has three axes")
    rows, units = recurrent
    _require(rows == gates * units and weights == (rows, sequence[2]), what, "the weights do not fit the sequence")
    return (*sequence[:2], units)


def _lstm(_kind: Lstm, shapes: Sequence[Shape]) -> Shape:
    sequence, weights, recurrent, bias = shapes
    _require(bias == weights[:1], "LSTM", "one bias per row of the weights needed")
    return _gated(4, "LSTM", sequence, weights, recurrent)


def _gru(_kind: Gru, shapes: Sequence[Shape]) -> Shape:
    sequence, weights, recurrent, bias, recurrent_bias = shapes
    _require(bias == recurrent_bias == weights[:1], "GRU", "one bias per row of the weights needed")
    return _gated(3, "GRU", sequence, weights, recurrent)


def _svdf_state(_kind: SvdfState, shapes: Sequence[Shape]) -> Shape:
    rows, weights, state = shapes
    fits = len(rows) == 2 and len(state) == 3 and weights == (state[1], rows[1]) and state[0] == rows[0]
    _require(fits, "SVDF", "the feature weights do not fit the input or the state")
    return state


def _svdf_result(kind: SvdfResult, shapes: Sequence[Shape]) -> Shape:
    state, weights, bias = shapes
    _require(len(state) == 3 and weights == state[1:], "SVDF", "the time weights do not fit the state")
    _require(kind.rank > 0 and weights[0] % kind.rank == 0, "SVDF", "the rank does not divide the filters")
    units = weights[0] // kind.rank
    _require(bias == (units,), "SVDF", "one bias per unit needed")
    return (state[0], units)


RECURRENT_RULES: dict[type, Callable[[Any, Sequence[Shape]], Shape]] = {
    Lstm: _lstm,
    Gru: _gru,
    SvdfState: _svdf_state,
    SvdfResult: _svdf_result,
}
