"""What is sent back to a request, in a form that can be cut into blocks: code, options, payload."""

from dataclasses import dataclass, field

from lwm2m_ml.coap.codec import encode_tail
from lwm2m_ml.coap.options import Options


@dataclass(slots=True)
class Response:
    """A response with any options."""

    code: int
    options: Options = field(default_factory=list)
    payload: bytes = b""

    def tail(self) -> bytes:
        """Options and payload as they follow the token."""
        return encode_tail(self.options, self.payload)


def suppressed(no_response: int | None, code: int) -> bool:
    """Whether the requester said that it does not want responses of this class (RFC 7967 §2.1)."""
    return bool(no_response) and bool(no_response & 1 << (code >> 5) - 1)  # type: ignore[operator]
