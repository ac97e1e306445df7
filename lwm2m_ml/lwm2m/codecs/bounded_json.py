"""JSON from strangers: bounded depth, no constants beyond the standard, one kind of error."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from lwm2m_ml.lwm2m.codecs.codec_error import MAX_NESTING, CodecError

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_HINT = "Send standard JSON in UTF-8 (RFC 8259)"


def load_json(payload: bytes) -> object:
    """Return the value the payload holds."""
    _check_nesting(payload)
    try:
        item: object = json.loads(payload.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"A JSON payload is malformed ({str(error)[:80]})", hint=_HINT) from error
    return item


def dump_json(item: object) -> bytes:
    """Write a value as compact JSON."""
    try:
        return json.dumps(item, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise CodecError("JSON cannot express infinite or undefined numbers", hint="Use a CBOR format") from error


def _check_nesting(payload: bytes) -> None:
    if payload.count(b"[") + payload.count(b"{") <= MAX_NESTING:
        return
    depth = 0
    for byte in _STRING.sub(b"", payload):
        if byte in b"[{":
            depth += 1
            if depth > MAX_NESTING:
                raise CodecError(f"A JSON payload is nested deeper than {MAX_NESTING} levels", hint=_HINT)
        elif byte in b"]}":
            depth -= 1


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
