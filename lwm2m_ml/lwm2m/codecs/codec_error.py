"""The one error of all codecs, and the limits beyond which a payload is refused."""

from __future__ import annotations

from lwm2m_ml.errors import InvalidInputError

MAX_PAYLOAD_BYTES = 1 << 20
"""Larger structured payloads are refused unread; a lone opaque value may be larger."""

MAX_RECORDS = 1 << 16
"""Most values one payload may hold."""

MAX_NESTING = 8
"""Deepest structure of a payload; LwM2M itself needs five levels."""


class CodecError(InvalidInputError):
    """A payload cannot be read, or values cannot be written in the format asked for."""
