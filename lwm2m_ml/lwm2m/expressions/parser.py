"""Reads expressions, by precedence climbing over one table of binary operators.

expression = unary { operator unary }           operators by the table below, all from left to right
unary      = ("-" | "not") unary | primary
primary    = number | "true" | "false" | label | function "(" expression { "," expression } ")" | "(" expression ")"
"""

from collections.abc import Mapping

from lwm2m_ml.lwm2m.expressions.operations import FUNCTIONS
from lwm2m_ml.lwm2m.expressions.syntax import Expression, Name, Number, Operation
from lwm2m_ml.lwm2m.expressions.tokens import ExpressionError, Token, tokens

__all__ = ["ExpressionError", "parse"]

MAXIMUM_LENGTH = 512
"""Characters; a device needs no more than a buffer of this size."""
MAXIMUM_DEPTH = 24
"""Parentheses, functions and prefixes within each other; bounds the stack of whoever reads or evaluates."""

PRECEDENCE: Mapping[str, int] = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
}
_NOT = 3
_NEGATIVE = 7
_CONSTANTS: Mapping[str, float] = {"true": 1.0, "false": 0.0}


def parse(text: str) -> Expression:
    """Read an expression. Raises `ExpressionError`, with the position of what is wrong."""
    if len(text) > MAXIMUM_LENGTH:
        raise ExpressionError(f"An expression has at most {MAXIMUM_LENGTH} characters, this one {len(text)}")
    reader = _Reader(tokens(text))
    expression = reader.expression(0, 0)
    if reader.next.kind != "end":
        raise reader.unexpected()
    return expression


class _Reader:
    """Where the reading stands."""

    def __init__(self, found: tuple[Token, ...]) -> None:
        self._tokens = iter(found)
        self.next = next(self._tokens)

    def expression(self, least: int, depth: int) -> Expression:
        """Read operators that bind more tightly than `least`."""
        left = self._unary(depth + 1)
        # Chains such as a + b + c lean to the left: each link nests what is before it one deeper.
        while PRECEDENCE.get(self.next.text, 0) > least:
            depth += 1
            symbol = self._take().text
            left = Operation(symbol, (left, self.expression(PRECEDENCE[symbol], depth)))
        return left

    def _unary(self, depth: int) -> Expression:
        if depth > MAXIMUM_DEPTH:
            raise ExpressionError(f"More than {MAXIMUM_DEPTH} levels at character {self.next.position}")
        if self.next.text == "-":
            self._take()
            return Operation("negative", (self.expression(_NEGATIVE, depth),))
        if self.next.text == "not":
            self._take()
            return Operation("not", (self.expression(_NOT, depth),))
        return self._primary(depth)

    def _primary(self, depth: int) -> Expression:
        token = self.next
        if token.kind == "number":
            return Number(float(self._take().text))
        if token.kind == "name" and token.text not in PRECEDENCE:
            return self._named(self._take(), depth)
        if token.text != "(":
            raise self.unexpected()
        self._take()
        inner = self.expression(0, depth)
        self._expect(")")
        return inner

    def _named(self, token: Token, depth: int) -> Expression:
        if token.text in _CONSTANTS:
            return Number(_CONSTANTS[token.text])
        if self.next.text != "(":
            return Name(token.text)
        function = FUNCTIONS.get(token.text)
        if function is None:
            known = ", ".join(FUNCTIONS)
            raise ExpressionError(f"There is no function {token.text!r} at character {token.position}; known: {known}")
        arguments = self._arguments(depth)
        if not function.least <= len(arguments) <= function.most:
            wanted = f"{function.least} to {function.most}" if function.least < function.most else f"{function.least}"
            raise ExpressionError(f"{token.text} at character {token.position} takes {wanted} arguments")
        return Operation(token.text, arguments)

    def _arguments(self, depth: int) -> tuple[Expression, ...]:
        self._expect("(")
        arguments = [self.expression(0, depth)]
        while self.next.text == ",":
            self._take()
            arguments.append(self.expression(0, depth))
        self._expect(")")
        return tuple(arguments)

    def _take(self) -> Token:
        token = self.next
        self.next = next(self._tokens)
        return token

    def _expect(self, symbol: str) -> None:
        if self.next.text != symbol:
            raise self.unexpected(f", {symbol!r} is expected")
        self._take()

    def unexpected(self, wanted: str = "") -> ExpressionError:
        """Tell that the next token cannot stand where it does."""
        what = "The expression ends too early" if self.next.kind == "end" else f"{self.next.text!r} is out of place"
        return ExpressionError(f"{what} at character {self.next.position}{wanted}")
