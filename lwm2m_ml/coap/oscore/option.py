"""The OSCORE option: a compressed COSE header (RFC 8613 §6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from lwm2m_ml.coap.oscore.errors import UnreadableProtection

PARTIAL_IV_LENGTH = 0b111
HAS_KID = 0b1000
HAS_KID_CONTEXT = 0b10000
RESERVED = 0b11100000
LARGEST_PARTIAL_IV = 5


@dataclass(frozen=True, slots=True)
class OscoreOption:
    """What tells the receiver which keys and nonce to use."""

    partial_iv: bytes = b""
    kid: bytes | None = None
    kid_context: bytes | None = None

    def encode(self) -> bytes:
        """The option value; nothing at all when there is nothing to tell."""
        flags = len(self.partial_iv)
        rest = self.partial_iv
        if self.kid_context is not None:
            flags |= HAS_KID_CONTEXT
            rest += bytes((len(self.kid_context),)) + self.kid_context
        if self.kid is not None:
            flags |= HAS_KID
            rest += self.kid
        return bytes((flags,)) + rest if flags else b""


def decode_option(value: bytes) -> OscoreOption:
    """Decode an option value; raises UnreadableProtection."""
    if not value:
        return OscoreOption()
    flags = value[0]
    length = flags & PARTIAL_IV_LENGTH
    if flags & RESERVED or length > LARGEST_PARTIAL_IV or flags == 0 or len(value) < 1 + length:
        raise UnreadableProtection("The OSCORE option is not in its format")
    partial_iv, rest = value[1 : 1 + length], value[1 + length :]
    kid_context = None
    if flags & HAS_KID_CONTEXT:
        if not rest or len(rest) < 1 + rest[0]:
            raise UnreadableProtection("The OSCORE option ends inside its kid context")
        kid_context, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
    if not flags & HAS_KID and rest:
        raise UnreadableProtection("The OSCORE option has bytes that mean nothing")
    if len(partial_iv) > 1 and partial_iv[0] == 0:
        raise UnreadableProtection("The partial IV has leading zeros")
    return OscoreOption(partial_iv, rest if flags & HAS_KID else None, kid_context)
