"""Splits an expression into tokens."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol><=|>=|==|!=|[-+*/%<>(),])"
    r"|(?P<end>\Z)",
    re.ASCII,
)


class ExpressionError(ValueError):
    """An expression that is none; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression: `kind` is number, name, symbol or end; `position` counts characters from 0."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> tuple[Token, ...]:
    """Split a text; the last token is the end. Raises `ExpressionError` for a character that begins no token."""
    found: list[Token] = []
    position = 0
    while not found or found[-1].kind != "end":
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"{text[position]!r} at character {position} belongs to no expression")
        found.append(Token(match.lastgroup, match[0], position))
        position = match.end()
    return tuple(found)
