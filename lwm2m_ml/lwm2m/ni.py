"""Names of content by its digest (RFC 6920): what AI Model Configuration has in Model Integrity (513/x/5)."""

import base64
import binascii
import re

from lwm2m_ml.errors import InvalidInputError

_DIGEST_BYTES = 32
_FORM = re.compile(r"^ni://[^/?#]*/sha-256;([A-Za-z0-9_-]{43})(\?[^#]*)?$")


class InvalidNi(InvalidInputError):
    """A text is no ni URI with a SHA-256 digest."""


def format_ni(digest: bytes) -> str:
    """Return the ni URI, without authority, of content with this SHA-256."""
    return "ni:///sha-256;" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def parse_ni(text: str) -> bytes:
    """Return the SHA-256 that a ni URI names; raises InvalidNi. Authority and parameters say nothing of the content."""
    found = _FORM.match(text)
    if found is None:
        raise InvalidNi(f"{text[:80]!r} is not a ni URI with a SHA-256 digest")
    try:
        digest = base64.b64decode(found[1] + "=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise InvalidNi(f"{text[:80]!r} is not a ni URI: {error}") from error
    if len(digest) != _DIGEST_BYTES or format_ni(digest) != f"ni:///sha-256;{found[1]}":
        raise InvalidNi(f"{text[:80]!r} does not name 32 bytes")
    return digest
