"""What operators and functions compute: each row of the tables is total, whatever numbers it is given."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

NAN = math.nan
Scalar = Callable[..., float]


@dataclass(frozen=True, slots=True)
class Function:
    """A function by name: between `least` and `most` arguments; a `reduces` function makes one number of a list."""

    compute: Callable[..., float]
    least: int = 1
    most: int = 1
    reduces: bool = False


def total(compute: Scalar) -> Scalar:
    """Give a function that fails for some numbers not-a-number as its value there."""

    def computed(*operands: float) -> float:
        try:
            return float(compute(*operands))
        except (ArithmeticError, ValueError):
            return NAN

    return computed


def truth(value: float) -> bool:
    """Whether a number stands for true: all but zero and not-a-number."""
    return value != 0.0 and not math.isnan(value)


def _round(value: float) -> float:
    """Round half away from zero, as C's round() does."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


def _sign(value: float) -> float:
    return NAN if math.isnan(value) else float((value > 0) - (value < 0))


def _minimum(*values: float) -> float:
    return NAN if any(map(math.isnan, values)) else min(values)


def _maximum(*values: float) -> float:
    return NAN if any(map(math.isnan, values)) else max(values)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


_OPERATORS: Mapping[str, Scalar] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other,
    "%": math.fmod,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "and": lambda one, other: truth(one) and truth(other),
    "or": lambda one, other: truth(one) or truth(other),
    "not": lambda one: not truth(one),
    "negative": lambda one: -one,
}
OPERATORS: Mapping[str, Scalar] = {symbol: total(compute) for symbol, compute in _OPERATORS.items()}
"""Operators; `negative` is the minus in front of one operand."""

FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(total(abs)),
    "sign": Function(total(_sign)),
    "floor": Function(total(math.floor)),
    "ceil": Function(total(math.ceil)),
    "round": Function(total(_round)),
    "sqrt": Function(total(math.sqrt)),
    "exp": Function(total(math.exp)),
    "log": Function(total(math.log)),
    "sin": Function(total(math.sin)),
    "cos": Function(total(math.cos)),
    "pow": Function(total(math.pow), 2, 2),
    "min": Function(total(_minimum), 1, 8),
    "max": Function(total(_maximum), 1, 8),
    "clamp": Function(total(lambda value, low, high: _minimum(_maximum(value, low), high)), 3, 3),
    "if": Function(total(lambda condition, one, other: one if truth(condition) else other), 3, 3),
    "sum": Function(total(math.fsum), reduces=True),
    "mean": Function(total(_mean), reduces=True),
    "deviation": Function(total(_deviation), reduces=True),
    "smallest": Function(total(lambda values: _minimum(*values)), reduces=True),
    "largest": Function(total(lambda values: _maximum(*values)), reduces=True),
    "count": Function(total(len), reduces=True),
    "position": Function(total(lambda values: values.index(_maximum(*values))), reduces=True),
}
"""Functions; `position` is where the largest number of a list stands, from 0: the class of a list of scores."""
