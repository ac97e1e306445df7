"""What an expression is made of, once it is read."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """The value of an input, by its label."""

    label: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator or a function applied to operands; `symbol` is a key of the table of operations."""

    symbol: str
    operands: tuple["Expression", ...]


Expression = Number | Name | Operation


def names(expression: Expression) -> frozenset[str]:
    """Return the labels that an expression uses."""
    return frozenset(part.label for part in _parts(expression) if isinstance(part, Name))


def _parts(expression: Expression) -> Iterator[Expression]:
    yield expression
    if isinstance(expression, Operation):
        for operand in expression.operands:
            yield from _parts(operand)
