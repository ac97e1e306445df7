"""Computes expressions: numbers as they are, lists of numbers element by element."""

from collections.abc import Mapping, Sequence

from lwm2m_ml.lwm2m.expressions.operations import FUNCTIONS, NAN, OPERATORS, Function, truth
from lwm2m_ml.lwm2m.expressions.syntax import Expression, Name, Number

Value = float | tuple[float, ...]
Values = Mapping[str, float | Sequence[float]]
"""Inputs by their labels; several values of one input are a list."""


def evaluate(expression: Expression, values: Values) -> Value:
    """Compute an expression.

    A label without a value is not a number. An operator works on lists element by element, and takes a single number
    for each of them; lists of different lengths do not go together, which gives not-a-number.
    """
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Name):
        return _given(values.get(expression.label, NAN))
    operands = [evaluate(operand, values) for operand in expression.operands]
    function = FUNCTIONS.get(expression.symbol) or Function(OPERATORS[expression.symbol])
    if function.reduces:
        return function.compute(_as_list(operands[0]))
    lengths = {len(operand) for operand in operands if isinstance(operand, tuple)}
    if not lengths:
        return function.compute(*operands)
    if len(lengths) > 1:
        return NAN
    length = lengths.pop()
    columns = [operand if isinstance(operand, tuple) else (operand,) * length for operand in operands]
    return tuple(function.compute(*row) for row in zip(*columns, strict=True))


def is_true(value: Value) -> bool:
    """Whether a value fulfils a condition; a list does when it is not empty and all its elements do."""
    elements = _as_list(value)
    return bool(elements) and all(map(truth, elements))


def _given(value: float | Sequence[float]) -> Value:
    return float(value) if isinstance(value, int | float) else tuple(map(float, value))


def _as_list(value: Value) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)
