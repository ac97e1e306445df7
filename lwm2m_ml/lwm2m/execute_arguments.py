"""Arguments of the Execute operation: `0='a',1` (OMA-TS-LightweightM2M_Core-V1_2 §6.3.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lwm2m_ml.errors import InvalidInputError

MAX_BYTES = 4096

# V1_2 §6.3.5: arglist = arg *( "," arg ); arg = DIGIT / DIGIT "=" "'" *CHAR "'"; CHAR excludes ' and \.
_ARGUMENT = re.compile(r"([0-9])(?:='([^'\\\x00-\x1f]*)')?")


class ExecuteArgumentsError(InvalidInputError):
    """A text is not a list of execute arguments."""


def parse_arguments(payload: bytes) -> dict[int, str | None]:
    """Return the arguments by number, in order; an argument without a value is None."""
    if len(payload) > MAX_BYTES:
        raise ExecuteArgumentsError(
            f"Execute arguments have {len(payload)} bytes", hint=f"At most {MAX_BYTES} are read"
        )
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise ExecuteArgumentsError("Execute arguments are not UTF-8 text", hint=_HINT) from error
    arguments: dict[int, str | None] = {}
    position = 0
    while position < len(text):
        match = _ARGUMENT.match(text, position)
        if match is None or int(match[1]) in arguments:
            raise ExecuteArgumentsError(
                f"Execute arguments are malformed at {text[position : position + 20]!r}", hint=_HINT
            )
        arguments[int(match[1])] = match[2]
        position = match.end()
        if position == len(text):
            break
        if text[position] != "," or position + 1 == len(text):
            raise ExecuteArgumentsError(
                f"Execute arguments are malformed at {text[position : position + 20]!r}", hint=_HINT
            )
        position += 1
    return arguments


def format_arguments(arguments: Mapping[int, str | None]) -> bytes:
    """Write arguments; numbers are 0 to 9, values contain neither quotes nor backslashes nor control characters."""
    parts = [str(number) if value is None else f"{number}='{value}'" for number, value in arguments.items()]
    for part in parts:
        if not _ARGUMENT.fullmatch(part):
            raise ExecuteArgumentsError(f"{part[:40]!r} is not an execute argument", hint=_HINT)
    return ",".join(parts).encode()


_HINT = "Write digits with optional values in single quotes, like 0='a',1"
